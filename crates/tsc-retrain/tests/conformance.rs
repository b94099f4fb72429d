//! The policy suite, and reference values of scipy, scikit-learn and the generators beside them.

#![allow(clippy::unwrap_used, reason = "a test panics where a value is missing")]

use serde_json::Value;
use tsc_core::{Label, Millis};
use tsc_retrain::{
    AnyOf, Every, NoiseThreshold, RetrainParams, adjusted_rand, diebold_mariano, match_clusters,
};
use tsc_testing::policy;

#[test]
fn every_policy_keeps_the_promises_of_a_policy() {
    let off = RetrainParams { noise_margin: None, ..RetrainParams::default() };
    policy::suite(|| NoiseThreshold::new(&RetrainParams::default(), 0.3).unwrap());
    policy::suite(|| NoiseThreshold::new(&off, 0.1).unwrap());
    policy::suite(|| Every::new("24h".parse().unwrap()).unwrap());
    let scheduled = RetrainParams { schedule: Some(Millis(86_400_000)), ..RetrainParams::default() };
    policy::suite(|| scheduled.policy(0.3).unwrap());
    policy::suite(|| AnyOf::new(vec![Box::new(off.policy(0.3).unwrap())]).unwrap());
}

fn reference() -> Option<Value> {
    let path = tsc_testing::shared("conformance/drift/estimation_gate.json")?;
    let text = std::fs::read_to_string(path).unwrap();
    let mut all: Value = serde_json::from_str(&text).unwrap();
    Some(all["champion_challenger"].take())
}

fn numbers(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

#[track_caller]
fn close(got: f64, want: &Value) {
    let want = want.as_f64().unwrap();
    assert!((got - want).abs() <= 1e-10 * want.abs(), "got {got}, want {want}");
}

#[test]
fn diebold_mariano_agrees_with_the_reference() {
    let Some(reference) = reference() else { return };
    let (champion, challenger) = (numbers(&reference["err_champion"]), numbers(&reference["err_challenger"]));
    let d: Vec<f64> = champion.iter().zip(&challenger).map(|(a, b)| a * a - b * b).collect();
    let cases = reference["diebold_mariano"].as_array().unwrap();
    assert_eq!(cases.len(), 2);
    for case in cases {
        let horizon = usize::try_from(case["h"].as_u64().unwrap()).unwrap();
        let test = diebold_mariano(&d, horizon).unwrap();
        close(test.statistic, &case["dm"]);
        close(test.corrected, &case["hln"]);
        close(test.p_greater, &case["p_challenger_better"]);
    }
}

#[test]
fn cluster_matching_and_agreement_agree_with_scipy_and_scikit_learn() {
    let Some(reference) = reference() else { return };
    let case = &reference["centroid_matching"];
    let flat = |v: &Value| v.as_array().unwrap().iter().flat_map(numbers).collect::<Vec<f64>>();
    let matching = match_clusters(&flat(&case["old"]), &flat(&case["new"]), 3).unwrap();
    let pairs: Vec<f64> = matching.matched.iter().map(|m| f64::from(m.new.0)).collect();
    assert_eq!(pairs, numbers(&case["col"]));
    close(matching.matched.iter().map(|m| m.distance).sum(), &case["total_cost"]);
    assert_eq!(matching.born.len(), 1);

    let case = &reference["cluster_agreement"];
    let labels = |v: &Value| Label::from_ids(&numbers(v).iter().map(|x| *x as i32).collect::<Vec<_>>());
    close(adjusted_rand(&labels(&case["a"]), &labels(&case["b"])).unwrap(), &case["ari"]);
}
