//! E-23: help and error texts as a user reads them.
#![allow(clippy::unwrap_used, reason = "a test says by panicking that it fails")]

mod common;

use common::{Desk, HEADER, rows};
use expect_test::{Expect, expect};

#[expect(clippy::needless_pass_by_value, reason = "expect! is written where it is used")]
fn help(arguments: &str, expected: Expect) {
    let run = Desk::new().run(arguments);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    // clap pads blank lines of an argument's help, which editors strip from the text here.
    let out: String = run.out.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    expected.assert_eq(&out);
}

#[expect(clippy::needless_pass_by_value, reason = "expect! is written where it is used")]
fn error(desk: &Desk, arguments: &str, expected: Expect) {
    let run = desk.run(arguments);
    assert_eq!(run.out, "", "{run:?}");
    expected.assert_eq(&run.err);
}

#[test]
fn e23_help_of_every_command() {
    help(
        "--help",
        expect![[r#"
        Patient time series to segments and predictions, watched and retrained, with every step in MLflow

        Usage: tsclust [OPTIONS] <COMMAND>

        Commands:
          init      Writes a commented configuration; never overwrites
          fit       Fits a pipeline: clusters, models, fallback, run tree, bundle, report
          score     Scores a file with a stored pipeline, batch by batch
          doctor    Checks this machine, the build, the tracking store and, where given, a bundle
          tracking  Deals with runs that could not be delivered
          demo      Runs everything once: fit, 15 batches, drift, retrain, save, reload, report
          help      Print this message or the help of the given subcommand(s)

        Options:
              --json     One JSON document on stdout instead of text; errors as JSON on stderr
          -h, --help     Print help
          -V, --version  Print version
    "#]],
    );
    help(
        "init --help",
        expect![[r#"
            Writes a commented configuration; never overwrites.

            Example: tsclust init tsclust.toml

            Usage: tsclust init [OPTIONS] [FILE]

            Arguments:
              [FILE]
                      File to write
          
                      [default: tsclust.toml]

            Options:
                  --preset <PRESET>
                      Start from a preset: small, large, medical, ..

                  --json
                      One JSON document on stdout instead of text; errors as JSON on stderr

              -h, --help
                      Print help (see a summary with '-h')
        "#]],
    );
    help(
        "fit --help",
        expect![[r#"
            Fits a pipeline: clusters, models, fallback, run tree, bundle, report.

            Example: tsclust fit patients.csv -c tsclust.toml -o bundle

            Usage: tsclust fit [OPTIONS] <DATA>

            Arguments:
              <DATA>
                      CSV of features, or patient series where the configuration has a `[series]` table

            Options:
              -c, --config <CONFIG>
                      Configuration

              -o, --output <OUTPUT>
                      Folder of the bundle
          
                      [default: bundle]

                  --json
                      One JSON document on stdout instead of text; errors as JSON on stderr

              -h, --help
                      Print help (see a summary with '-h')
        "#]],
    );
    help(
        "score --help",
        expect![[r#"
        Scores a file with a stored pipeline, batch by batch.

        Example: tsclust score patients.csv --model bundle -o scored.csv

        Usage: tsclust score [OPTIONS] --model <MODEL> <DATA>

        Arguments:
          <DATA>
                  CSV of features, or patient series where the bundle has a featurizer

        Options:
          -m, --model <MODEL>
                  Bundle folder, or `models:/NAME/Staging` in the registry

          -o, --output <OUTPUT>
                  CSV to write; absent = stdout

              --save
                  Store monitor, window and retrained models back into the bundle

              --predict-only
                  Predict and nothing else: no monitoring, no retrain, no run

              --json
                  One JSON document on stdout instead of text; errors as JSON on stderr

          -h, --help
                  Print help (see a summary with '-h')
    "#]],
    );
    help(
        "doctor --help",
        expect![[r#"
        Checks this machine, the build, the tracking store and, where given, a bundle.

        Example: tsclust doctor --model bundle

        Usage: tsclust doctor [OPTIONS]

        Options:
              --model <MODEL>
                  Bundle to load

          -c, --config <CONFIG>
                  Configuration to check

              --json
                  One JSON document on stdout instead of text; errors as JSON on stderr

          -h, --help
                  Print help (see a summary with '-h')
    "#]],
    );
    help(
        "tracking replay --help",
        expect![[r#"
            Sends what waits in `.tsc/spool` of this folder; exit code 5 if something is left.

            Example: tsclust tracking replay -c tsclust.toml

            Usage: tsclust tracking replay [OPTIONS]

            Options:
              -c, --config <CONFIG>
                      Configuration that names the store

                  --wait <WAIT>
                      Seconds after which the rest is left for another time
          
                      [default: 60]

                  --json
                      One JSON document on stdout instead of text; errors as JSON on stderr

              -h, --help
                      Print help (see a summary with '-h')
        "#]],
    );
    help(
        "demo --help",
        expect![[r#"
            Runs everything once: fit, 15 batches, drift, retrain, save, reload, report.

            Example: tsclust demo --out demo

            Usage: tsclust demo [OPTIONS]

            Options:
                  --data <DATA>
                      Real stays of PhysioNet 2012 (a folder with `set-a.tar.gz` and `Outcomes-a.txt`)

                  --out <OUT>
                      Folder of bundle, runs and report
          
                      [default: tsc-demo]

                  --seed <SEED>
                      Seed of cohort, split and models
          
                      [default: 42]

                  --json
                      One JSON document on stdout instead of text; errors as JSON on stderr

              -h, --help
                      Print help (see a summary with '-h')
        "#]],
    );
}

#[test]
fn e23_all_faults_of_a_configuration_at_once() {
    let desk = Desk::new();
    desk.write(
        "bad.toml",
        "noise_treshold = 0.2\nbatch_size = \"many\"\npreset = \"tiny\"\n[data]\nidd = \"x\"\n\
         [hdbscan_params]\nmin_cluster_size = 1\n[lgb_timeseries_params]\nnum_leaves = 1\n",
    );
    error(
        &desk,
        "fit train.csv -c bad.toml",
        expect![[r#"
            error[TSC-CFG-001]:
            batch_size is "many", must be a whole number from 0
            hdbscan_params.min_cluster_size is 1, must be at least 2
            lgb_timeseries_params.num_leaves is 1, must be at least 2
            preset is "tiny", must be one of small, large, medical, high_performance, memory, speed, accuracy, realtime, batch, stable, conservative, balanced, aggressive
            unknown key data.idd, did you mean id
            unknown key noise_treshold, did you mean noise_threshold
            help: correct every key named here; `tsclust init` writes a commented file, docs/CONFIG.md lists every key
        "#]],
    );
    desk.write("syntax.toml", "noise_threshold = \n");
    error(
        &desk,
        "fit train.csv -c syntax.toml",
        expect![[r#"
        error[TSC-CFG-003]:
        TOML parse error at line 1, column 19
          |
        1 | noise_threshold = 
          |                   ^
        string values must be quoted, expected literal string
        help: correct the syntax at the place named
    "#]],
    );
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
        (
            "semicolons",
            expect![[r#"
            error[TSC-CLI-017]: semicolons.csv is separated by ';', must be separated by ',' (its header: "stay_id;patient_id;hr;sbp;temp;target;los")
            help: export it with commas and decimal points
        "#]],
        ),
        (
            "empty",
            expect![[r#"
            error[TSC-CLI-016]: empty.csv is empty, must have a header line and rows
            help: check that the extract is complete
        "#]],
        ),
        (
            "header",
            expect![[r#"
            error[TSC-CLI-012]: header.csv has no row below its header
            help: check that the extract is complete
        "#]],
        ),
        (
            "ragged",
            expect![[r#"
            error[TSC-CLI-019]: ragged.csv, line 2 has 6 fields, must have 7 as the header
            help: quote fields that hold a comma
        "#]],
        ),
        (
            "text",
            expect![[r#"
            error[TSC-CLI-015]: text.csv, line 2, column sbp: the cell holds text, must be a number or empty
            help: correct the cell, or name the column in data.id, data.group or data.ignore
        "#]],
        ),
        (
            "twice",
            expect![[r#"
            error[TSC-CLI-018]: twice.csv: columns 3 and 4 are both named "hr"
            help: give every column a name of its own
        "#]],
        ),
        (
            "latin",
            expect![[r#"
            error[TSC-CLI-020]: latin.csv, line 2 is not UTF-8
            help: save the file as UTF-8
        "#]],
        ),
        (
            "missing",
            expect![[r#"
            error[TSC-CLI-014]: missing.csv has no column "patient_id"; its columns: stay_id, patient, hr, sbp, temp, target, los
            help: correct the name in [data] of the configuration, or in the file's header
        "#]],
        ),
    ] {
        error(&desk, &format!("fit {file}.csv -c c.toml"), expected);
    }
    assert_eq!(desk.run("fit text.csv -c c.toml").err.find("Jane"), None, "a cell is a patient's");
    error(
        &desk,
        "fit . -c c.toml",
        expect![[r#"
        error[TSC-CLI-013]: . cannot be read: it is a folder, and a feature file is one CSV
        help: check the path, and that the file is readable
    "#]],
    );
}

#[test]
fn e23_faults_of_a_command_line() {
    let desk = Desk::new();
    error(
        &desk,
        "frobnicate",
        expect![[r#"
        error: unrecognized subcommand 'frobnicate'

        Usage: tsclust [OPTIONS] <COMMAND>

        For more information, try '--help'.
    "#]],
    );
    error(
        &desk,
        "score train.csv",
        expect![[r#"
        error: the following required arguments were not provided:
          --model <MODEL>

        Usage: tsclust score --model <MODEL> <DATA>

        For more information, try '--help'.
    "#]],
    );
    error(
        &desk,
        "init c.toml",
        expect![[r#"
        error[TSC-CLI-004]: c.toml exists already, and init never overwrites
        help: name another file, or edit this one
    "#]],
    );
    error(
        &desk,
        "init --preset tiny x.toml",
        expect![[r#"
        error[TSC-CLI-003]: preset is "tiny", must be one of small, large, medical, high_performance, memory, speed, accuracy, realtime, batch, stable, conservative, balanced, aggressive
        help: name one of these, or leave --preset out
    "#]],
    );
    error(
        &desk,
        "fit train.csv -c c.toml -o train.csv",
        expect![[r#"
        error[TSC-CLI-001]: train.csv cannot be written: File exists (os error 17)
        help: check that the folder exists, is writable and has room
    "#]],
    );
    error(
        &desk,
        "score train.csv --model nowhere",
        expect![[r#"
        error[TSC-ART-012]: nowhere/manifest.json cannot be read: the folder holds no bundle
        help: give the folder that `tsclust fit -o` or FittedPipeline::save wrote
    "#]],
    );
}

#[test]
fn doctor_shows_a_faulty_configuration_in_words() {
    let desk = Desk::new();
    desk.write("bad.toml", "noise_treshold = 0.2\n[hdbscan_params]\nmin_cluster_size = 1\n");
    let run = desk.run("doctor -c bad.toml");
    assert_eq!((run.code, run.err.as_str()), (1, ""));
    let shown: String =
        run.out.lines().skip_while(|l| !l.contains("configuration")).fold(String::new(), |t, l| t + l + "\n");
    expect![[r#"
        FAIL configuration   hdbscan_params.min_cluster_size is 1, must be at least 2
                             unknown key noise_treshold, did you mean noise_threshold
                             cure: correct every key named here; `tsclust init` writes a commented file, docs/CONFIG.md lists every key
    "#]].assert_eq(&shown);
}
