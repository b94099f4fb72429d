//! One call of a program of this crate.

use std::process::Command;

/// What it prints.
pub(crate) fn output(command: &mut Command) -> String {
    let output = command.output().expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("the program prints text")
}

/// A number of the line that it prints.
pub(crate) fn number(line: &str, key: &str) -> f64 {
    let (_, rest) = line.split_once(&format!("\"{key}\": ")).unwrap_or_else(|| panic!("no {key} in {line}"));
    rest.split([',', '}']).next().and_then(|word| word.parse().ok()).expect("a number")
}
