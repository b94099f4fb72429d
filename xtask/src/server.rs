//! A server that is started for a person or a measurement, and ends with xtask.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};

/// A server in a process group of its own, which ends when xtask does, however that ends.
#[derive(Debug)]
pub(crate) struct Server {
    shell: Child,
}

impl Server {
    /// A shell leads the group and reads a pipe of ours: its end, even by a kill of xtask, is the
    /// signal to end the group. No signal handler is needed, and no worker process is left over.
    pub(crate) fn start(command: &Command) -> Result<Self> {
        Self::spawn(command, Command::new("sh"))
    }

    /// The same for one whose words nobody reads.
    pub(crate) fn start_silently(command: &Command) -> Result<Self> {
        let mut shell = Command::new("sh");
        shell.stdout(Stdio::null()).stderr(Stdio::null());
        Self::spawn(command, shell)
    }

    fn spawn(command: &Command, mut shell: Command) -> Result<Self> {
        if let Some(folder) = command.get_current_dir() {
            shell.current_dir(folder);
        }
        shell
            .args(["-c", r#"("$@"; kill 0) </dev/null & cat >/dev/null; kill 0"#, "server"])
            .arg(command.get_program())
            .args(command.get_args())
            .stdin(Stdio::piped())
            .process_group(0);
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                shell.env(name, value);
            }
        }
        Ok(Self { shell: shell.spawn().context("start sh")? })
    }

    pub(crate) fn wait_until_healthy(&mut self, port: u16) -> Result<()> {
        for _ in 0..600 {
            if let Some(status) = self.shell.try_wait()? {
                bail!("the MLflow server ended with {status} before it answered");
            }
            if is_healthy(port) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(200));
        }
        bail!("the MLflow server did not answer on /health within 120 s")
    }

    /// Waits for the server's own end; Ctrl-C ends xtask, and with it the pipe.
    pub(crate) fn wait(&mut self) -> Result<()> {
        // `Child::wait` would close the pipe, which ends the group.
        while self.shell.try_wait()?.is_none() {
            thread::sleep(Duration::from_millis(200));
        }
        bail!("the MLflow server has ended")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        if let Err(error) = self.shell.wait() {
            eprintln!("the MLflow server may still run: {error}");
        }
    }
}

/// A port of this machine on which nothing listens.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("a free port")?.local_addr()?.port())
}

fn is_healthy(port: u16) -> bool {
    let ask = || -> std::io::Result<String> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /health HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.lines().next().is_some_and(|line| line.contains(" 200 ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs,
        path::{Path, PathBuf},
    };

    /// The processes whose command line holds `mark`.
    fn running(mark: &str) -> usize {
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let is_marked = |path: PathBuf| {
            fs::read(path.join("cmdline")).is_ok_and(|it| String::from_utf8_lossy(&it).contains(mark))
        };
        processes.filter(|it| it.file_name() != "self" && is_marked(it.path())).count()
    }

    #[test]
    fn the_server_and_its_workers_end_with_the_pipe() {
        if !Path::new("/proc/self/cmdline").exists() {
            println!("skipped: no /proc here");
            return;
        }
        // Numbers of seconds that no other process sleeps for.
        let script = "sleep 98417 & sleep 98417; echo";
        let server = Server::start(Command::new("sh").args(["-c", script])).unwrap();
        while running("98417") < 3 {
            thread::yield_now();
        }
        drop(server);
        // The signal is sent to the whole group; each process ends in its own time.
        for _ in 0..1000 {
            if running("98417") == 0 {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("{} processes of the server are left", running("98417"));
    }

    #[test]
    fn a_server_that_ends_early_is_an_error() {
        let mut server = Server::start(&Command::new("false")).unwrap();
        let error = server.wait_until_healthy(1).unwrap_err().to_string();
        assert!(error.contains("before it answered"), "{error}");
    }
}
