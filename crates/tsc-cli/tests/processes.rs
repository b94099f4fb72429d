//! The program as a process: same bits, exit codes, what is written and what is not.
#![cfg(any(feature = "lightgbm", feature = "linear"))]
#![allow(clippy::unwrap_used, reason = "a test says by panicking that it fails")]

mod common;

use std::io::Read;
use std::process::Stdio;

use common::{Desk, HEADER, rows};

#[test]
fn f13_a_second_process_predicts_the_same_bits() {
    let desk = Desk::fitted();
    for output in ["first.csv", "second.csv"] {
        let run = desk.run(&format!("score new.csv --model bundle -o {output}"));
        assert!([0, 10].contains(&run.code), "{run:?}");
    }
    let run = desk.run("score new.csv --model bundle --predict-only");
    assert_eq!(run.code, 0, "{run:?}");
    let first = desk.read("first.csv");
    assert_eq!(first, desk.read("second.csv"));
    assert_eq!(first, run.out);
    assert_eq!(first.lines().count(), 101);
    assert!(first.lines().skip(1).all(|line| line.ends_with(char::is_numeric)), "{first}");
}

/// The target is twice the first feature plus the third, so a fit that learned anything beats its mean.
#[test]
fn scores_follow_the_target() {
    let desk = Desk::fitted();
    let scored = desk.run("score new.csv --model bundle --predict-only").out;
    let (mut residual, mut total) = (0.0, 0.0);
    let truths: Vec<f64> =
        desk.read("new.csv").lines().skip(1).map(|l| l.split(',').nth(5).unwrap().parse().unwrap()).collect();
    let mean = truths.iter().sum::<f64>() / truths.len() as f64;
    for (line, truth) in scored.lines().skip(1).zip(&truths) {
        let value: f64 = line.split(',').nth(4).unwrap().parse().unwrap();
        residual += (value - truth).powi(2);
        total += (truth - mean).powi(2);
    }
    assert!(residual < 0.5 * total, "{residual} of {total}");
}

#[test]
fn e24_results_do_not_depend_on_the_size_of_a_batch() {
    let desk = Desk::new();
    let mut scored = Vec::new();
    for size in [1, 40, 1000] {
        let text = common::config().replace("batch_size = 40", &format!("batch_size = {size}"));
        desk.write("c.toml", text);
        assert_eq!(desk.run("fit train.csv -c c.toml -o bundle").code, 0);
        scored.push(desk.run("score new.csv --model bundle --predict-only").out);
    }
    assert_eq!(scored[0], scored[1]);
    assert_eq!(scored[0], scored[2]);
}

#[test]
fn f15_a_failing_command_has_its_exit_code() {
    let desk = Desk::fitted();
    desk.write("typo.toml", "noise_treshold = 0.2\n");
    desk.write("text.csv", rows(60, 0.0).replacen(",p1,", ",p1,high", 1));
    desk.write("few.csv", rows(6, 0.0));
    desk.write("far.csv", rows(120, 500.0));
    for (arguments, code) in [
        ("doctor --model bundle -c c.toml", 0),
        ("--version", 0),
        ("fit --help", 0),
        ("doctor --model nowhere -c c.toml", 1),
        ("doctor -c typo.toml", 1),
        ("", 2),
        ("frobnicate", 2),
        ("fit", 2),
        ("fit train.csv -c typo.toml", 2),
        ("fit train.csv -c nowhere.toml", 2),
        ("init --preset tiny other.toml", 2),
        ("score new.csv --model bundle --json", 2),
        ("fit nowhere.csv -c c.toml", 3),
        ("fit text.csv -c c.toml", 3),
        ("fit few.csv -c c.toml", 3),
        ("fit . -c c.toml", 3),
        ("fit train.csv -c c.toml -o train.csv", 3),
        ("score new.csv --model nowhere", 3),
        ("score text.csv --model bundle -o scored.csv", 3),
        ("score far.csv --model bundle -o scored.csv", 10),
    ] {
        let run = desk.run(arguments);
        assert_eq!(run.code, code, "tsclust {arguments}: {run:?}");
        assert!(!run.err.contains("panicked"), "{run:?}");
    }
}

/// Without LightGBM in the build a fit that asks for it is refused before any work, and says how to get it.
#[test]
#[cfg(not(feature = "lightgbm"))]
fn f15_a_backend_that_is_not_in_the_build_is_a_configuration_fault() {
    let desk = Desk::new();
    desk.write("lgb.toml", common::config().replace("\"linear\"", "\"lightgbm\""));
    let run = desk.run("fit train.csv -c lgb.toml");
    assert!([2, 4].contains(&run.code) && run.err.contains("lightgbm"), "{run:?}");
}

#[test]
fn e19_json_is_one_document_named_after_its_command() {
    let desk = Desk::new();
    for (command, arguments) in [
        ("init", "init new.toml --json"),
        ("fit", "fit train.csv -c c.toml -o bundle --json"),
        ("score", "score new.csv --model bundle -o scored.csv --json"),
        ("doctor", "--json doctor --model bundle -c c.toml"),
    ] {
        let run = desk.run(arguments);
        assert_eq!(run.code, 0, "{run:?}");
        assert_eq!(run.document()["schema"], format!("tsclust/{command}/1"));
    }
    assert_eq!(desk.run("score new.csv -m bundle -o scored.csv --json").document()["rows"], 100);
}

#[test]
fn e19_a_failure_is_an_error_object_on_stderr_and_nothing_on_stdout() {
    let desk = Desk::fitted();
    desk.write("typo.toml", "noise_treshold = 0.2\n");
    for (arguments, code, kind) in [
        ("fit nowhere.csv -c c.toml --json", "TSC-CLI-013", "InvalidData"),
        ("fit train.csv -c typo.toml --json", "TSC-CFG-001", "InvalidConfig"),
        ("init c.toml --json", "TSC-CLI-004", "InvalidConfig"),
        ("score new.csv --model nowhere -o s.csv --json", "TSC-ART-012", "Artifact"),
        ("--json frobnicate", "TSC-CLI-002", "InvalidConfig"),
    ] {
        let error = desk.run(arguments).error();
        assert_eq!((&error["code"], &error["kind"]), (&code.into(), &kind.into()), "{arguments}");
        for part in ["stage", "message", "help"] {
            assert!(!error[part].as_str().unwrap().is_empty(), "{arguments}: {error}");
        }
    }
}

#[test]
fn init_never_overwrites_and_its_file_is_a_configuration() {
    let desk = Desk::new();
    desk.write("tsclust.toml", "# mine\n");
    assert_eq!(desk.run("init").code, 2);
    assert_eq!(desk.read("tsclust.toml"), "# mine\n");
    for arguments in ["init plain.toml", "init medical.toml --preset medical"] {
        assert_eq!(desk.run(arguments).code, 0);
        let file = arguments.split(' ').nth(1).unwrap();
        assert_eq!(desk.run(&format!("doctor -c {file}")).code, 0, "{file}");
    }
}

#[test]
fn e20_piped_output_has_no_escape_byte() {
    let desk = Desk::new();
    for arguments in
        ["--help", "frobnicate", "fit train.csv -c c.toml -o bundle", "score new.csv -m bundle", "doctor"]
    {
        let run = desk.run(arguments);
        assert!(!run.out.contains('\x1b') && !run.err.contains('\x1b'), "{run:?}");
    }
}

#[test]
fn e21_a_closed_pipe_ends_score_silently() {
    let desk = Desk::fitted();
    desk.write("long.csv", rows(20_000, 0.0));
    let mut child = desk
        .command()
        .args(["score", "long.csv", "--model", "bundle", "--predict-only"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 2];
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut first).unwrap();
    drop(out);
    let ended = child.wait_with_output().unwrap();
    assert_eq!((&first, ended.status.code()), (b"id", Some(0)));
    assert_eq!(String::from_utf8(ended.stderr).unwrap(), "");
}

#[test]
#[cfg(unix)]
fn e21_an_interrupted_fit_leaves_no_bundle() {
    let desk = Desk::new();
    desk.write("long.csv", rows(9000, 0.0));
    let before = desk.names();
    let mut child = desk
        .command()
        .args(["fit", "long.csv", "-c", "c.toml", "-o", "deep/bundle"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(100));
    let told = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let ended = child.wait().unwrap();
    assert!(told.success());
    // Whoever is faster: a whole bundle after a complete fit, else nothing.
    if ended.success() {
        assert_eq!(desk.run("doctor --model deep/bundle -c c.toml").code, 0);
    } else {
        assert_eq!(desk.names(), before);
    }
}

#[test]
fn a_file_of_scores_is_whole_or_not_there() {
    let desk = Desk::fitted();
    let broken = format!("{}s999,p999,1,2\n", rows(90, 0.0));
    desk.write("broken.csv", broken);
    let before = desk.names();
    assert_eq!(desk.run("score broken.csv --model bundle -o scored.csv").code, 3);
    assert_eq!(desk.names(), before);

    desk.write("scored.csv", "kept");
    assert_eq!(desk.run("score broken.csv --model bundle -o scored.csv").code, 3);
    assert_eq!(desk.read("scored.csv"), "kept");
}

#[test]
fn a_fit_onto_a_bundle_serves_the_new_one_and_a_failed_fit_keeps_the_served_one() {
    let desk = Desk::fitted();
    let scored = |desk: &Desk| desk.run("score new.csv --model bundle --predict-only").out;
    let first = scored(&desk);
    desk.write("few.csv", rows(6, 0.0));
    assert_eq!(desk.run("fit few.csv -c c.toml -o bundle").code, 3);
    assert_eq!(scored(&desk), first);
    desk.write("other.csv", rows(300, 3.0));
    assert_eq!(desk.run("fit other.csv -c c.toml -o bundle").code, 0);
    assert_ne!(scored(&desk), first);
}

#[test]
fn line_ends_and_a_byte_order_mark_change_nothing() {
    let desk = Desk::fitted();
    let plain = desk.run("score new.csv --model bundle --predict-only").out;
    desk.write("crlf.csv", desk.read("new.csv").replace('\n', "\r\n"));
    desk.write("bom.csv", format!("\u{feff}{}", desk.read("new.csv")));
    for file in ["crlf.csv", "bom.csv"] {
        assert_eq!(desk.run(&format!("score {file} --model bundle --predict-only")).out, plain, "{file}");
    }
}

/// A screened row keeps its place, has no value, and says why on stderr.
#[test]
fn an_empty_cell_is_a_row_without_a_value() {
    let desk = Desk::fitted();
    desk.write("gap.csv", format!("{HEADER}\ns1,p1,,0,3,23,1\ns2,p2,10,0,3,23,1\n"));
    let run = desk.run("score gap.csv --model bundle");
    assert_eq!(run.out.lines().nth(1).unwrap(), "s1,-1,-1,0,,unavailable,");
    assert!(run.out.lines().nth(2).unwrap().starts_with("s2,"));
    assert!(run.err.contains("row 1 rejected: hr is NaN"), "{run:?}");
}

#[test]
fn a_truncated_bundle_is_named_and_not_served() {
    let desk = Desk::fitted();
    let version = desk.read("bundle/current");
    let file = format!("bundle/versions/{}/clusterer/model.postcard", version.trim());
    let bytes = std::fs::read(desk.path(&file)).unwrap();
    desk.write(&file, &bytes[..bytes.len() / 2]);
    let run = desk.run("score new.csv --model bundle");
    assert_eq!((run.code, run.out.as_str()), (3, ""));
    assert!(run.err.contains("clusterer/model.postcard"), "{run:?}");
}
