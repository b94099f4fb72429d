//! The command line of `cargo xtask`.

use std::path::PathBuf;

xflags::xflags! {
    /// Development commands of the workspace.
    cmd xtask {
        /// Provide cmake and libclang where the system lacks them, under .tsc.
        cmd setup {
            /// Install the Python wheels from this folder, without an index.
            optional --wheels dir: PathBuf
        }
        /// Set up, then run the main job on a synthetic cohort or on the stays in a folder.
        cmd demo {
            /// Folder of PhysioNet 2012 stays to use instead of the synthetic cohort.
            optional --data dir: PathBuf
            /// Afterwards show the runs in MLflow's user interface until Ctrl-C.
            optional --ui
            /// Build without LightGBM: linear models, no cmake and libclang needed.
            optional --no-lightgbm
        }
        /// Set up, then pass every check: ci, tests without LightGBM, examples, benches, real MLflow.
        cmd test {
            /// Also build every single feature on its own.
            optional --full
            /// Use no network: only what is already downloaded.
            optional --offline
            /// Build without LightGBM: linear models, no cmake and libclang needed.
            optional --no-lightgbm
        }
        /// Formatting, lints, tidy, tests, doc tests, documentation. Needs a finished set-up.
        cmd ci {}
        /// The rules on crates, dependencies, signatures and documents that no compiler checks.
        cmd tidy {}
        /// The tests with a real MLflow, in an environment of its own under .tsc.
        cmd conformance {}
        /// Licences and advisories by cargo-deny, where that is installed.
        cmd deny {}
        /// Print the variables of the set-up as shell exports.
        cmd env {}
        /// Compare with peers on the same input and write the ratios.
        cmd bench {
            /// clustering, models, tracking or monitoring.
            required --peers area: String
            /// Only the cases with this text in their name, such as T-14 or `10k x 2`.
            optional --case text: String
            /// Rounds of a case at most, for a quick look.
            optional --rounds count: usize
            /// Folder of the real data sets; else where the tests look for them.
            optional --data dir: PathBuf
            /// File to write the results to.
            optional --json file: PathBuf
        }
        /// Run an evaluation task on real data.
        cmd eval {
            /// icu, los, mortality24, hospital, hhs, nhs, or all.
            required name: String
            /// Folder of the data sets, or of the one that the task needs.
            optional --data dir: PathBuf
            /// File to write the results to.
            optional --json file: PathBuf
        }
    }
}
