//! The report as files: escaping, self-containment, size, equal bytes.

mod sample;

use tsc_report::{Report, ReportData};

fn html(data: &ReportData) -> String {
    let mut out = Vec::new();
    Report::new(data.clone()).write_html(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_same_data_give_the_same_bytes_e26() {
    assert!(html(&sample::report()) == html(&sample::report()), "two reports on the same data differ");
    // To look at it: TSC_REPORT_OUT=report.html cargo test -p tsc-report.
    if let Some(path) = std::env::var_os("TSC_REPORT_OUT") {
        std::fs::write(path, html(&sample::report())).unwrap();
    }
}
