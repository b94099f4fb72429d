use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;

use tsc_core::{AlertEvent, AlertSink, Result};

use crate::error::MonitorError;

/// One readable line per event, to a log, standard error or any other writer.
///
/// # Examples
///
/// ```
/// use tsc_core::{AlertChange, AlertEvent, AlertSink, Severity, Signal};
/// use tsc_monitor::LineSink;
/// let mut sink = LineSink::new(Vec::new());
/// sink.deliver(&AlertEvent::new(Signal::NoiseRatio, AlertChange::Firing, Severity::Warning, 0.25, 0.24))?;
/// let line = String::from_utf8(sink.into_inner()).unwrap();
/// assert_eq!(line, "batch 0: noise_ratio firing (Warning), 0.250 against 0.240\n");
/// # Ok::<(), tsc_core::Error>(())
/// ```
pub struct LineSink<W>(W);

impl<W: Write> LineSink<W> {
    /// Writes to `writer`.
    pub fn new(writer: W) -> Self {
        Self(writer)
    }

    /// The writer.
    pub fn into_inner(self) -> W {
        self.0
    }
}

impl<W> fmt::Debug for LineSink<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LineSink")
    }
}

impl<W: Write + Send> AlertSink for LineSink<W> {
    fn deliver(&mut self, alert: &AlertEvent) -> Result<()> {
        let line = format!("{alert}\n");
        let written = self.0.write_all(line.as_bytes()).and_then(|()| self.0.flush());
        written.map_err(|source| MonitorError::Sink { sink: "line".into(), source }.into())
    }
}

/// Events into a channel of the caller's; full or closed, they are refused.
#[derive(Debug)]
pub struct ChannelSink(SyncSender<AlertEvent>);

impl ChannelSink {
    /// Sends to `sender`.
    #[must_use]
    pub fn new(sender: SyncSender<AlertEvent>) -> Self {
        Self(sender)
    }
}

impl AlertSink for ChannelSink {
    fn deliver(&mut self, alert: &AlertEvent) -> Result<()> {
        self.0.try_send(alert.clone()).map_err(|error| {
            let source = io::Error::other(error.to_string());
            MonitorError::Sink { sink: "channel".into(), source }.into()
        })
    }
}

/// A file of one JSON object a line. A line is in it whole or not at all.
///
/// A line that a crash cut is removed when the file is opened, one that a full disk cut at once. Each event
/// is on the disk before `deliver` returns.
///
/// # Examples
///
/// ```
/// use tsc_core::{AlertChange, AlertEvent, AlertSink, Severity, Signal};
/// use tsc_monitor::JsonLinesSink;
/// let path = std::env::temp_dir().join(format!("tsc-alerts-{}.jsonl", std::process::id()));
/// let mut sink = JsonLinesSink::open(&path)?;
/// let event = AlertEvent::new(Signal::NoiseRatio, AlertChange::Firing, Severity::Warning, 0.25, 0.24);
/// sink.deliver(&event)?;
/// let text = std::fs::read_to_string(&path).unwrap();
/// assert_eq!(serde_json::from_str::<AlertEvent>(text.trim_end()).unwrap(), event);
/// std::fs::remove_file(&path).unwrap();
/// # Ok::<(), tsc_core::Error>(())
/// ```
#[derive(Debug)]
pub struct JsonLinesSink {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines.
    whole: u64,
}

impl JsonLinesSink {
    /// Appends to the file, which is made if need be.
    ///
    /// # Errors
    ///
    /// `Artifact` if it cannot be opened, read or cut back to its last whole line.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let open = || {
            let mut file =
                OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path)?;
            let whole = whole_lines(&mut file)?;
            if whole < file.metadata()?.len() {
                file.set_len(whole)?;
            }
            Ok((file, whole))
        };
        match open() {
            Ok((file, whole)) => Ok(Self { path, file, whole }),
            Err(source) => Err(sink(&path, source)),
        }
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.whole))?;
        self.file.write_all(line)?;
        self.file.sync_data()
    }
}

// Length up to and with the last line end, read from the back.
fn whole_lines(file: &mut File) -> io::Result<u64> {
    const BLOCK: u64 = 4_096;
    let mut end = file.metadata()?.len();
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        file.seek(SeekFrom::Start(start))?;
        block.clear();
        (&*file).take(end - start).read_to_end(&mut block)?;
        if let Some(at) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

fn sink(path: &Path, source: io::Error) -> tsc_core::Error {
    MonitorError::Sink { sink: path.display().to_string(), source }.into()
}

impl AlertSink for JsonLinesSink {
    fn deliver(&mut self, alert: &AlertEvent) -> Result<()> {
        let mut line = serde_json::to_vec(alert).map_err(|e| sink(&self.path, e.into()))?;
        line.push(b'\n');
        if let Err(source) = self.append(&line) {
            // What is left of a line would make the next one unreadable. If even this fails, the next
            // event is written over it.
            return match self.file.set_len(self.whole) {
                Ok(()) => Err(sink(&self.path, source)),
                Err(second) => Err(sink(&self.path, second)),
            };
        }
        self.whole += line.len() as u64;
        Ok(())
    }
}
