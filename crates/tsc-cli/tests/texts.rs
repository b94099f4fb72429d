//! E-23: help and error texts as a user reads them.

mod common;

use common::{Desk, HEADER, rows};
use expect_test::{Expect, expect};

#[expect(clippy::needless_pass_by_value, reason = "expect! is written where it is used")]
fn help(arguments: &str, expected: Expect) {
    let run = Desk::new().run(arguments);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    expected.assert_eq(&run.out);
}

#[expect(clippy::needless_pass_by_value, reason = "expect! is written where it is used")]
fn error(desk: &Desk, arguments: &str, expected: Expect) {
    let run = desk.run(arguments);
    assert_eq!(run.out, "", "{run:?}");
    expected.assert_eq(&run.err);
}

#[test]
fn e23_help_of_every_command() {
    help("--help", expect![[""]]);
    help("init --help", expect![[""]]);
    help("fit --help", expect![[""]]);
    help("score --help", expect![[""]]);
    help("doctor --help", expect![[""]]);
    help("demo --help", expect![[""]]);
}

#[test]
fn e23_all_faults_of_a_configuration_at_once() {
    let desk = Desk::new();
    desk.write(
        "bad.toml",
        "noise_treshold = 0.2\nbatch_size = \"many\"\npreset = \"tiny\"\n[data]\nidd = \"x\"\n\
         [hdbscan_params]\nmin_cluster_size = 1\n[lgb_timeseries_params]\nnum_leaves = 1\n",
    );
    error(&desk, "fit train.csv -c bad.toml", expect![[""]]);
    desk.write("syntax.toml", "noise_threshold = \n");
    error(&desk, "fit train.csv -c syntax.toml", expect![[""]]);
}

#[test]
fn e23_faults_of_a_data_file() {
    let desk = Desk::new();
    let good = rows(60, 0.0);
    desk.write("semicolons.csv", good.replace(',', ";"));
    desk.write("empty.csv", "");
    desk.write("header.csv", format!("{HEADER}\n"));
    desk.write("ragged.csv", format!("{HEADER}\ns1,p1,1,2,3,4\n"));
    desk.write("text.csv", format!("{HEADER}\ns1,p1,1,Jane Roe,3,4,5\n"));
    desk.write("twice.csv", good.replacen("sbp", "hr", 1));
    desk.write("latin.csv", [HEADER.as_bytes(), b"\ns1,p\xe9,1,2,3,4,5\n"].concat());
    desk.write("missing.csv", good.replacen("patient_id", "patient", 1));
    for (file, expected) in [
        ("semicolons", expect![[""]]),
        ("empty", expect![[""]]),
        ("header", expect![[""]]),
        ("ragged", expect![[""]]),
        ("text", expect![[""]]),
        ("twice", expect![[""]]),
        ("latin", expect![[""]]),
        ("missing", expect![[""]]),
    ] {
        error(&desk, &format!("fit {file}.csv -c c.toml"), expected);
    }
    assert_eq!(desk.run("fit text.csv -c c.toml").err.find("Jane"), None, "a cell is a patient's");
    error(&desk, "fit . -c c.toml", expect![[""]]);
}

#[test]
fn e23_faults_of_a_command_line() {
    let desk = Desk::new();
    error(&desk, "frobnicate", expect![[""]]);
    error(&desk, "score train.csv", expect![[""]]);
    error(&desk, "init c.toml", expect![[""]]);
    error(&desk, "init --preset tiny x.toml", expect![[""]]);
    error(&desk, "fit train.csv -c c.toml -o train.csv", expect![[""]]);
    error(&desk, "score train.csv --model nowhere", expect![[""]]);
}

#[test]
fn doctor_shows_a_faulty_configuration_in_words() {
    let desk = Desk::new();
    desk.write("bad.toml", "noise_treshold = 0.2\n[hdbscan_params]\nmin_cluster_size = 1\n");
    let run = desk.run("doctor -c bad.toml");
    assert_eq!((run.code, run.err.as_str()), (1, ""));
    let shown: String =
        run.out.lines().skip_while(|l| !l.contains("configuration")).fold(String::new(), |t, l| t + l + "\n");
    expect![[""]].assert_eq(&shown);
}
