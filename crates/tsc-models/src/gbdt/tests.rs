use proptest::prelude::*;
use serde::Deserialize;
use tsc_core::{ErrorKind, FittedRegressorExt};

use super::*;
use crate::golden;

#[derive(Deserialize)]
struct Case {
    n_features: usize,
    rows: Vec<Option<f64>>,
    raw: Vec<f64>,
    predicted: Vec<f64>,
    split: Vec<f64>,
    gain: Vec<f64>,
    /// Of the first rows.
    contributions: Vec<f64>,
    leaves: Vec<u32>,
}

const CASES: [&str; 22] = [
    "numeric",
    "deep",
    "stump",
    "constant",
    "empty",
    "sqrt",
    "rf",
    "dart",
    "quantile",
    "regression_l1",
    "huber",
    "fair",
    "mape",
    "poisson",
    "tweedie",
    "gamma",
    "binary",
    "cross_entropy",
    "nan",
    "nan_unseen",
    "zero_as_missing",
    "categorical",
];

/// C1, M-11, M-12: texts trained by Python score to the bits of `Booster.predict`.
#[test]
fn python_models_score_to_pythons_bits() {
    for name in CASES {
        let case: Case = golden::json(&format!("score_{name}.json"));
        let model = GbdtModel::parse(&golden::text(&format!("score_{name}.txt"))).unwrap();
        let cells: Vec<f64> = case.rows.iter().map(|cell| cell.unwrap_or(f64::NAN)).collect();
        assert_eq!(model.n_features(), case.n_features, "{name}");
        for (row, (raw, predicted)) in cells.chunks(case.n_features).zip(case.raw.iter().zip(&case.predicted))
        {
            let ours = model.predict_one(row).unwrap();
            assert_ulp(ours, *predicted, model.0.transform, name);
            if row.iter().all(|v| v.is_finite()) {
                let x = Features::new(row, case.n_features).unwrap();
                let mut one = [f64::NAN];
                model.raw_into(x, &mut one).unwrap();
                assert_eq!(one[0].to_bits(), raw.to_bits(), "{name}");
            }
        }
        if cells.iter().all(|v| v.is_finite()) {
            let x = Features::new(&cells, case.n_features).unwrap();
            let mut raw = vec![f64::NAN; case.raw.len()];
            model.raw_into(x, &mut raw).unwrap();
            assert_eq!(bits(&raw), bits(&case.raw), "{name}: many rows at once");
        }
        let importance = model.feature_importance().unwrap();
        assert_eq!(importance.split, case.split, "{name}");
        for (ours, theirs) in importance.gain.iter().zip(&case.gain) {
            // The text keeps six digits of a gain.
            assert!((ours - theirs).abs() <= 1e-5 * theirs.abs(), "{name}: {ours} {theirs}");
        }
    }
}

// The exponential is the C library's, whose last bit may differ between systems; all else is exact.
#[track_caller]
fn assert_ulp(ours: f64, theirs: f64, transform: Transform, name: &str) {
    let exact = matches!(transform, Transform::Identity | Transform::SignedSquare);
    let away = ours.to_bits().abs_diff(theirs.to_bits());
    assert!(away <= if exact { 0 } else { 1 }, "{name}: {ours} {theirs}");
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// M-14, C1: the contributions and leaves of `Booster.predict`, and their sum is the raw score.
#[test]
fn contributions_are_pythons() {
    for name in CASES {
        let case: Case = golden::json(&format!("score_{name}.json"));
        let model = GbdtModel::parse(&golden::text(&format!("score_{name}.txt"))).unwrap();
        let (d, n_trees) = (case.n_features, model.n_trees());
        for (i, shares) in case.contributions.chunks_exact(d + 1).enumerate() {
            let row: Option<Vec<f64>> = case.rows[i * d..(i + 1) * d].iter().copied().collect();
            // A matrix holds no missing cells.
            let Some(row) = row else { continue };
            let x = Features::new(&row, d).unwrap();
            let mut ours = vec![f64::NAN; d + 1];
            model.contributions_into(x, &mut ours).unwrap();
            assert_eq!(bits(&ours), bits(shares), "{name}, row {i}");
            let (sum, raw) = (ours.iter().sum::<f64>(), case.raw[i]);
            assert!((sum - raw).abs() <= 1e-9 * raw.abs(), "{name}, row {i}: {sum} {raw}");
            let mut leaves = vec![u32::MAX; n_trees];
            model.leaves_into(x, &mut leaves).unwrap();
            assert_eq!(leaves, case.leaves[i * n_trees..(i + 1) * n_trees], "{name}, row {i}");
        }
        assert_eq!(case.contributions.len(), 12 * (d + 1), "{name}");
    }
}

#[test]
fn contributions_need_training_rows_and_bounded_depth() {
    let good = golden::text("score_stump.txt");
    let x = Features::new(&[0.0; 5], 5).unwrap();
    let told = |text: &str| {
        let model = GbdtModel::parse(text).unwrap();
        model.contributions_into(x, &mut [0.0; 6]).unwrap_err().to_string()
    };
    let expected = "the model cannot be explained: tree 2 has a node without training rows";
    assert_eq!(told(&lopsided(&good, 5, 0)), expected.replace("tree 2", "tree 0"));
    let expected = "the model cannot be explained: tree 0 is 1025 splits deep, at most 1024 are explained";
    assert_eq!(told(&lopsided(&good, 1_025, 9)), expected);
    let deep = GbdtModel::parse(&lopsided(&good, 1_024, 9)).unwrap();
    assert!(deep.contributions_into(x, &mut [0.0; 6]).is_ok());
}

/// One tree whose right children are leaves, `depth` splits deep; a leaf's value is its number.
fn lopsided(text: &str, depth: usize, rows: usize) -> String {
    let join = |value: &dyn Fn(usize) -> String, n: usize| (0..n).map(value).collect::<Vec<_>>().join(" ");
    let all = |value: &str, n: usize| join(&|_| value.to_owned(), n);
    let left = join(&|i| if i + 1 < depth { (i + 1).to_string() } else { "-1".into() }, depth);
    let tree = format!(
        "Tree=0\nnum_leaves={}\nnum_cat=0\nsplit_feature={}\nsplit_gain={}\nthreshold={}\ndecision_type={}\n\
         left_child={left}\nright_child={}\nleaf_value={}\nleaf_count={}\ninternal_count={}\nis_linear=0\n\n\n",
        depth + 1,
        join(&|i| (i % 5).to_string(), depth),
        all("1", depth),
        all("0.5", depth),
        all("2", depth),
        join(&|i| (-2 - i as i64).to_string(), depth),
        join(&|i| i.to_string(), depth + 1),
        all(&rows.to_string(), depth + 1),
        all(&rows.to_string(), depth),
    );
    let (header, _) = text.split_once("tree_sizes=").unwrap();
    format!("{header}tree_sizes={}\n\n{tree}end of trees\n", tree.len())
}

/// M-13: text in, text out, also through a bundle.
#[test]
fn the_text_survives_byte_for_byte() {
    let text = golden::text("score_categorical.txt");
    let model = GbdtModel::parse(&text).unwrap();
    assert_eq!(model.text(), text);
    let mut files = tsc_core::MemoryArtifacts::new();
    model.save(&mut files).unwrap();
    let again: GbdtModel = tsc_core::restore(&model.kind().into(), &files).unwrap();
    assert_eq!(again.text(), text);
    assert_eq!(model.feature_names()[4], "Column_4");
}

#[test]
fn many_rows_score_like_one_row() {
    for name in ["numeric", "deep", "zero_as_missing", "categorical", "rf", "binary"] {
        let case: Case = golden::json(&format!("score_{name}.json"));
        let model = GbdtModel::parse(&golden::text(&format!("score_{name}.txt"))).unwrap();
        let finite: Vec<f64> = case.rows.iter().map(|cell| cell.unwrap_or(0.0)).collect();
        let x = Features::new(&finite, case.n_features).unwrap();
        let alone: Vec<f64> = x.rows().map(|row| model.predict_one(row).unwrap()).collect();
        assert_eq!(bits(&model.predict(x).unwrap()), bits(&alone), "{name}");
    }
}

/// Sets of leaves decide by a sign, so what lies next to a threshold of 0 must still go where a walk goes.
#[test]
fn cells_beside_a_threshold_go_the_same_way_in_a_row_and_in_a_batch() {
    let text = lopsided(&golden::text("score_numeric.txt"), 10, 9).replace("0.5", "-0.");
    let model = GbdtModel::parse(&text).unwrap();
    let least = f64::from_bits(1);
    let cells = [0.0, -0.0, least, -least, f64::MIN, f64::MAX, 1.0];
    let rows: Vec<f64> = cells.iter().flat_map(|&cell| [-1.0, -1.0, cell, -1.0, -1.0]).collect();
    let x = Features::new(&rows, 5).unwrap();
    let mut leaves = vec![0; cells.len()];
    model.leaves_into(x, &mut leaves).unwrap();
    let expected = cells.map(|cell| if cell > 0.0 { 3 } else { 0 });
    assert_eq!(leaves, expected);
    assert_eq!(model.predict(x).unwrap(), expected.map(f64::from));
    for (row, expected) in x.rows().zip(expected) {
        assert_eq!(model.predict_one(row).unwrap(), f64::from(expected));
    }
}

#[test]
fn what_cannot_be_blended_is_named() {
    let model = |name: &str| GbdtModel::parse(&golden::text(&format!("score_{name}.txt"))).unwrap();
    let (numeric, poisson, rf) = (model("numeric"), model("poisson"), model("rf"));
    let other = GbdtModel::parse(&numeric.text().replace("Column_4", "pulse")).unwrap();
    let told = |parts: &[(f64, &GbdtModel)]| GbdtModel::blend(parts).unwrap_err().to_string();
    let mut expected = vec!["no model".to_owned()];
    let mut errors = vec![told(&[])];
    for (second, message) in [
        (&poisson, "objective poisson of one is regression of the other"),
        (&rf, "objective regression, averaged of one is regression of the other"),
        (&other, "feature pulse of one is Column_4 of the other"),
    ] {
        expected.push(message.to_owned());
        errors.push(told(&[(0.5, &numeric), (0.5, second)]));
    }
    expected.push("weight 1 is inf, must be finite".to_owned());
    errors.push(told(&[(0.5, &numeric), (f64::INFINITY, &numeric)]));
    for (error, expected) in errors.iter().zip(expected) {
        assert_eq!(*error, format!("models cannot be put together: {expected}"));
    }
}

#[test]
fn the_mean_of_models_is_one_text_unless_their_objective_has_a_link() {
    let model = |name: &str| GbdtModel::parse(&golden::text(&format!("score_{name}.txt"))).unwrap();
    let (numeric, poisson) = (model("numeric"), model("poisson"));
    let shorter = numeric.truncated(3);
    let mean = GbdtModel::mean(&[&numeric, &shorter, &shorter]).unwrap();
    let row = [0.3, -0.2, 0.9, 0.1, -1.0];
    let (long, short) = (numeric.predict_one(&row).unwrap(), shorter.predict_one(&row).unwrap());
    assert_ne!(long, short);
    assert!((mean.predict_one(&row).unwrap() - (long + 2.0 * short) / 3.0).abs() < 1e-12);
    assert_eq!(GbdtModel::mean(&[&poisson]).unwrap().text(), poisson.text());
    let error = GbdtModel::mean(&[&poisson, &poisson]).unwrap_err().to_string();
    assert!(error.contains("transforms the raw score"), "{error}");
    assert!(GbdtModel::mean(&[]).is_err());
}

/// The mean of two forests, each divided by its own number of trees.
#[test]
fn forests_of_unequal_size_blend_by_weight() {
    let forest = GbdtModel::parse(&golden::text("score_rf.txt")).unwrap();
    let small = forest.truncated(4);
    let blend = GbdtModel::blend(&[(0.5, &forest), (0.5, &small)]).unwrap();
    let row = [0.3, -0.2, 0.9, 0.1, -1.0];
    let expected = (forest.predict_one(&row).unwrap() + small.predict_one(&row).unwrap()) / 2.0;
    assert!((blend.predict_one(&row).unwrap() - expected).abs() < 1e-15);
}

#[test]
fn another_width_is_an_error_and_leaves_the_output() {
    let model = GbdtModel::parse(&golden::text("score_numeric.txt")).unwrap();
    let mut out = [7.0];
    let error = model.predict_into(Features::new(&[1.0, 2.0], 2).unwrap(), &mut out).unwrap_err();
    assert_eq!((error.kind(), out[0]), (ErrorKind::InvalidData, 7.0));
    assert_eq!(model.predict_one(&[1.0]).unwrap_err().code(), "TSC-MOD-012");
}

/// M-11: what is not scored is refused with its line.
#[test]
fn foreign_models_are_named() {
    let good = golden::text("score_stump.txt");
    for (from, to, expected) in [
        ("version=v4", "version=v3", "model text, line 2: version is \"v3\", this build reads v4"),
        (
            "num_class=1",
            "num_class=3",
            "model text, line 3: num_class is 3: models of several classes are not scored",
        ),
        (
            "objective=regression",
            "objective=lambdarank",
            "model text, line 7: objective \"lambdarank\" is not scored here",
        ),
        ("is_linear=0", "is_linear=1", "model text, line 27: trees with linear leaves are not scored"),
        (
            "max_feature_idx=4",
            "max_feature_idx=5",
            "model text, line 8: feature_names has 5 names, which is not max_feature_idx + 1",
        ),
        ("left_child=-1", "left_child=-9", "model text, line 19: left_child -9 does not exist"),
        ("left_child=-1", "left_child=00", "model text, line 13: node 0 has two parents"),
        ("right_child=-2", "right_child=-1", "model text, line 13: node 1 has two parents"),
        (
            "decision_type=2",
            "decision_type=9",
            "model text, line 18: category set 0.59150000000000025 does not exist",
        ),
        ("Tree=0", "Tree=1", "model text, line 12: tree 0 does not start where tree_sizes says"),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from} stands in the text");
        let error = GbdtModel::parse(&text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Artifact);
        if !expected.contains("category set") {
            assert_eq!(error.to_string(), expected);
        } else {
            assert!(error.to_string().contains("category set"), "{error}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// M-13: damaged text is an error or a model whose walks end, never a panic.
    #[test]
    fn damaged_texts_never_panic(
        which in 0..3_usize,
        at in 0.0..1.0_f64,
        byte in prop_oneof![Just(b' '), Just(b'-'), Just(b'9'), Just(b'\n'), Just(b'='), any::<u8>()],
        cut in prop::option::of(0.0..1.0_f64),
    ) {
        let text = golden::text(["score_stump.txt", "score_categorical.txt", "score_constant.txt"][which]);
        // Behind the trees nothing is read, so damage is put before.
        let end = text.find("end of trees").unwrap();
        let mut damaged = text.into_bytes();
        damaged[(at * end as f64) as usize] = byte;
        if let Some(cut) = cut {
            damaged.truncate((cut * end as f64) as usize);
        }
        let Ok(damaged) = String::from_utf8(damaged) else { return Ok(()) };
        if let Ok(model) = GbdtModel::parse(&damaged) {
            let row = vec![0.5; model.n_features()];
            prop_assert!(model.predict_one(&row).is_ok());
            let mut shares = vec![0.0; model.n_features() + 1];
            // Damaged counts are an error, not a panic.
            drop(model.contributions_into(Features::new(&row, model.n_features()).unwrap(), &mut shares));
            let rows = vec![0.5; model.n_features() * 20];
            prop_assert!(model.predict(Features::new(&rows, model.n_features()).unwrap()).is_ok());
        }
    }
}
