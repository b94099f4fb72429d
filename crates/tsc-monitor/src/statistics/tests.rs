//! scipy 1.14.1, scikit-learn and the formulas of gen_univariate.py, as stored.

use serde_json::Value;
use tsc_core::Features;

use super::*;

fn read(name: &str) -> Option<Value> {
    let file = tsc_testing::shared("conformance/drift")?.join(name);
    Some(serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap())
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn counts(value: &Value) -> Vec<u64> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap()).collect()
}

#[track_caller]
fn close(name: &str, actual: f64, expected: &Value, relative: f64, absolute: f64) {
    let expected = expected.as_f64().unwrap();
    assert!(
        (actual - expected).abs() <= (relative * expected.abs()).max(absolute),
        "{name}: {actual:e} against {expected:e}"
    );
}

fn pairs(stored: &Value) -> Vec<(&str, Sample, Sample, &Value)> {
    let cases = stored["cases"].as_array().unwrap();
    let pair = |case: &'_ Value, key: &str| Sample::new(&floats(&case[key])).unwrap();
    cases
        .iter()
        .map(|case| (case["name"].as_str().unwrap(), pair(case, "ref"), pair(case, "cur"), case))
        .collect()
}

#[test]
fn kolmogorov_smirnov_equals_the_reference_vectors() {
    let Some(stored) = read("univariate.json") else { return };
    let mut exact = 0;
    for (name, reference, current, case) in pairs(&stored) {
        let ks = kolmogorov_smirnov(&reference, &current);
        let asymptotic = &case["ks_asymp"];
        close(name, ks.statistic, &asymptotic["stat"], 1e-12, 0.0);
        assert_eq!(Some(ks.location), asymptotic["loc"].as_f64(), "{name}");
        assert_eq!(Some(i64::from(ks.sign)), asymptotic["sign"].as_i64(), "{name}");
        // 1 - F at an F near 1 has 16 digits of F.
        close(name, ks.p_asymptotic(), &asymptotic["p"], 1e-9, 1e-14);
        if let Some(stored) = case.get("ks_exact") {
            close(name, ks.p_exact(), &stored["p"], 1e-10, 0.0);
            exact += 1;
        }
    }
    assert_eq!(exact, 17);
}

/// scipy.stats.kstwo.sf(d, n), 1.17.1, where the vectors have no case: Pelz-Good, Durbin, both tails.
#[test]
fn the_one_sample_law_equals_scipy_between_its_methods() {
    for (n, d, want) in [
        (500.0, 0.03, 0.747_316_670_045_702_1),
        (2000.0, 0.01, 0.987_137_366_136_679_6),
        (141.0, 0.09, 0.191_567_685_366_550_33),
        (1000.0, 0.04, 0.079_339_560_590_002_24),
        (100_000.0, 0.004, 0.081_301_489_202_224_69),
        (150.0, 0.12, 0.024_364_823_571_029_537),
        (150.0, 0.0034, 1.0),
    ] {
        let got = ks::one_sample_sf(n, d);
        assert!((got - want).abs() <= 1e-10 * want, "{n} {d}: {got} against {want}");
    }
}

#[test]
fn wasserstein_and_energy_equal_the_reference_vectors() {
    let Some(stored) = read("univariate.json") else { return };
    for (name, reference, current, case) in pairs(&stored) {
        // As the README: values at 1e9 leave 7 digits of a distance below 1.
        let relative = if name == "huge_offset" { 1e-9 } else { 1e-12 };
        close(name, wasserstein(&reference, &current), &case["wasserstein"], relative, 0.0);
        close(name, energy(&reference, &current), &case["energy"], relative, 0.0);
    }
}

#[test]
fn rank_tests_equal_the_reference_vectors() {
    let Some(stored) = read("univariate.json") else { return };
    for (name, reference, current, case) in pairs(&stored) {
        match cramer_von_mises(&reference, &current) {
            Some(test) => {
                close(name, test.statistic, &case["cvm"]["stat"], 1e-12, 1e-13);
                close(name, test.p_value, &case["cvm"]["p"], 1e-9, 1e-14);
            }
            None => assert_eq!(case["cvm"]["p"], "nan", "{name}"),
        }
        match anderson_darling(&reference, &current) {
            Some(test) => {
                close(name, test.statistic, &case["anderson_ksamp"]["stat"], 1e-12, 1e-12);
                close(name, test.p_value, &case["anderson_ksamp"]["p_capped"], 1e-9, 0.0);
            }
            None => assert!(case["anderson_ksamp"]["error"].is_string(), "{name}"),
        }
    }
}

/// scipy.special.kv(0.25, q), 1.17.1.
#[test]
fn the_bessel_function_equals_scipy() {
    for (q, want) in [
        (0.01, 6.165_741_264_139_234),
        (0.5, 0.960_316_324_931_882_6),
        (3.0, 0.035_057_056_089_413_13),
        (40.0, 8.399_340_675_998_916e-19),
    ] {
        let got = rank_tests::scaled_bessel_k_quarter(q) * f64::exp(-q);
        assert!((got / want - 1.0).abs() < 1e-13, "{q}: {got} against {want}");
    }
}

#[test]
fn statistics_of_counts_equal_the_reference_vectors() {
    let Some(stored) = read("categorical.json") else { return };
    let cases = stored["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 7);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let (reference, current) = (counts(&case["ref"]), counts(&case["cur"]));
        let it = Counts::new(&reference, &current).unwrap();
        assert_eq!(Some(it.used_cells() as u64 - 1), case["chi2"]["dof"].as_u64(), "{name}");
        for (test, key) in
            [(it.chi_square(), "chi2"), (it.chi_square_yates(), "chi2_yates"), (it.g_test(), "g")]
        {
            // G cancels: its terms are a hundred times its value.
            close(name, test.statistic, &case[key]["stat"], if key == "g" { 1e-11 } else { 1e-12 }, 0.0);
            close(name, test.p_value, &case[key]["p"], 1e-9, 0.0);
        }
        let squared = |v: &Value| Value::from(v.as_f64().unwrap().powi(2));
        for (got, want) in [
            (it.cramers_v(), case["cramers_v"].clone()),
            (it.total_variation(), case["tvd"].clone()),
            (it.l_infinity(), case["linf"].clone()),
            (it.hellinger(), case["hellinger"].clone()),
            (it.psi(), case["psi_jeffreys"].clone()),
            (it.kullback_leibler(), case["kl_pq_jeffreys"].clone()),
            (it.jensen_shannon(), squared(&case["js_basee"])),
            (it.jensen_shannon() / std::f64::consts::LN_2, squared(&case["js_base2"])),
        ] {
            // Divergences below 1e-3 are sums that cancel from terms near 1.
            close(name, got, &want, 1e-12, 1e-15);
        }
    }
}

#[test]
fn psi_js_and_hellinger_of_frozen_cells_equal_the_reference_vectors() {
    let Some(stored) = read("univariate.json") else { return };
    for case in stored["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        for bins in ["frozen_q10", "frozen_q20"] {
            let stored = &case[bins];
            let (reference, current) = (counts(&stored["ref_counts"]), counts(&stored["cur_counts"]));
            let it = Counts::new(&reference, &current).unwrap();
            close(name, it.psi(), &stored["psi"], 1e-12, 1e-16);
            close(name, it.hellinger(), &stored["hellinger"], 1e-12, 1e-16);
            let js = (it.jensen_shannon() / std::f64::consts::LN_2).sqrt();
            close(name, js, &stored["js_base2"], 1e-12, 1e-16);
        }
    }
}

/// (B - 1)(1/n + 1/m) for PSI and an eighth of it for JS, within four standard errors.
#[test]
fn corrected_divergences_are_zero_on_average_without_drift() {
    for n in [200_u32, 1_000] {
        let mut rng = fastrand::Rng::with_seed(41);
        let (mut psi, mut js, repetitions) = (Vec::new(), Vec::new(), 400);
        for _ in 0..repetitions {
            let mut draw = |rows: u32| {
                let mut cells = vec![0_u64; 10];
                (0..rows).for_each(|_| cells[rng.usize(..10)] += 1);
                cells
            };
            let (reference, current) = (draw(2_000), draw(n));
            let it = Counts::new(&reference, &current).unwrap();
            psi.push(it.psi_corrected());
            js.push(it.jensen_shannon_corrected());
        }
        for values in [psi, js] {
            let count = f64::from(repetitions);
            let mean = values.iter().sum::<f64>() / count;
            let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt();
            // The expansion is of first order in 1/n: the rest is of second.
            let bound = 4.0 * deviation / count.sqrt() + 30.0 / f64::from(n * n);
            assert!(mean.abs() < bound, "{mean} at {n} rows, bound {bound}");
        }
    }
}

#[test]
fn multiple_testing_equals_the_reference_vectors() {
    let Some(stored) = read("multiple_testing.json") else { return };
    for case in stored["adjust"].as_array().unwrap() {
        let p = floats(&case["p"]);
        for (key, got) in [
            ("bh", tsc_core::stats::benjamini_hochberg(&p)),
            ("by", benjamini_yekutieli(&p)),
            ("holm", holm(&p)),
            ("bonferroni", bonferroni(&p)),
        ] {
            for (got, want) in got.iter().zip(case[key].as_array().unwrap()) {
                close(key, *got, want, 1e-10, 0.0);
            }
        }
    }
    for case in stored["noise_ratio_proportion_tests"].as_array().unwrap() {
        let count = |key: &str| case[key].as_u64().unwrap();
        let (reference, current) = ((count("k_ref"), count("n_ref")), (count("k_cur"), count("n_cur")));
        let z = tsc_core::stats::two_proportion_z(reference, current).unwrap();
        close("z", z, &case["z"], 1e-10, 0.0);
        close("p", tsc_core::stats::normal_sf(z), &case["p_greater"], 1e-10, 0.0);
        let (low, high) = tsc_core::stats::wilson_interval(current.0, current.1, 0.95);
        close("low", low, &case["wilson95"][0], 1e-10, 1e-16);
        close("high", high, &case["wilson95"][1], 1e-10, 0.0);
    }
}

fn matrix(value: &Value) -> (Vec<f64>, usize) {
    let rows: Vec<Vec<f64>> = value.as_array().unwrap().iter().map(floats).collect();
    (rows.concat(), rows[0].len())
}

#[test]
fn multivariate_statistics_equal_the_reference_vectors() {
    let Some(stored) = read("multivariate.json") else { return };
    let cases = stored["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 5);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let ((a, d), (b, _)) = (matrix(&case["ref"]), matrix(&case["cur"]));
        let (x, y) = (Features::new(&a, d).unwrap(), Features::new(&b, d).unwrap());
        let median = median_distance(x, y).unwrap();
        close(name, median, &case["median_dist"], 1e-10, 0.0);
        close(name, energy_multivariate(x, y).unwrap(), &case["energy_multivariate_vstat"], 1e-10, 0.0);
        close(name, mahalanobis(x, y).unwrap(), &case["mahalanobis_mean_shift"], 1e-10, 0.0);
        match mmd(x, y, 1.0 / (2.0 * median * median)) {
            Ok(mmd) => {
                // Sums near 1 cancel.
                close(name, mmd.biased, &case["mmd2_biased"], 1e-10, 1e-14);
                close(name, mmd.unbiased, &case["mmd2_unbiased"], 1e-10, 1e-14);
                close(name, mmd.unbiased, &case["frouros_mmd"], 1e-9, 1e-13);
            }
            Err(_) => assert_eq!(case["mmd2_biased"], "nan", "{name}"),
        }
        let test = hotelling(x, y).unwrap();
        close(name, test.statistic, &case["hotelling_t2"], 1e-10, 0.0);
        close(name, test.p_value, &case["hotelling_p"], 1e-10, 0.0);
        let pca = PcaReconstruction::fit(x, 0.65).unwrap();
        assert_eq!(Some(pca.n_components() as u64), case["pca_n_components"].as_u64(), "{name}");
        for (got, want) in pca.explained().iter().zip(case["pca_explained"].as_array().unwrap()) {
            close(name, *got, want, 1e-8, 0.0);
        }
        close(name, pca.mean_error(x).unwrap(), &case["pca_recon_ref_mean"], 1e-8, 1e-14);
        close(name, pca.mean_error(y).unwrap(), &case["pca_recon_cur_mean"], 1e-8, 1e-14);
    }
    for case in stored["auc"].as_array().unwrap() {
        let (labels, scores) = (counts(&case["label"]), floats(&case["score"]));
        let side = |label: u64| -> Vec<f64> {
            labels.iter().zip(&scores).filter(|(l, _)| **l == label).map(|(_, s)| *s).collect()
        };
        close("auc", area_under_roc(&side(0), &side(1)).unwrap(), &case["auc"], 1e-12, 0.0);
    }
}

/// Trap 15: rows of one patient move together. Without blocks the copies look like evidence.
#[test]
fn block_permutations_do_not_take_copies_for_evidence() {
    let mut rng = fastrand::Rng::with_seed(2);
    let (mut single, mut blocked) = (0, 0);
    for seed in 0..60 {
        // Five rows of each of ten patients a side, nearly alike; no difference between the sides.
        let mut side = || -> Vec<f64> { (0..10).flat_map(|_| [rng.f64(); 5].map(|v| v + 1e-3)).collect() };
        let (a, b) = (side(), side());
        let (x, y) = (Features::new(&a, 1).unwrap(), Features::new(&b, 1).unwrap());
        let p = |block| mmd_permutation_p(x, y, 2.0, block, 99, seed).unwrap();
        single += usize::from(p(1) <= 0.05);
        blocked += usize::from(p(5) <= 0.05);
    }
    // 3 expected of 60 at a level of 0.05; 9 is beyond the 99.8 % point.
    assert!(blocked <= 9, "{blocked}");
    assert!(single > 20, "{single}");
}

#[test]
fn the_sketch_is_within_its_own_bound_and_exact_with_every_point() {
    let Some(stored) = read("univariate.json") else { return };
    for (name, reference, current, _) in pairs(&stored) {
        let exact = kolmogorov_smirnov(&reference, &current).statistic;
        for points in [16, 256, 4_096] {
            let (statistic, error) =
                Sketch::new(&reference, points).unwrap().kolmogorov_smirnov(current.values());
            assert!(statistic <= exact + 1e-12 && exact <= statistic + error + 1e-12, "{name} {points}");
        }
    }
    let sample = Sample::new(&[1.0, 1.0, 2.0]).unwrap();
    assert!(Sketch::new(&sample, 0).is_err());
    assert_eq!(Sketch::new(&sample, 8).unwrap().kolmogorov_smirnov(&[f64::NAN]), (0.0, 1.0));
}

#[test]
fn input_that_cannot_be_compared_is_refused_by_name() {
    let code = |error: tsc_core::Error| error.code().to_owned();
    assert_eq!(Sample::new(&[1.0, f64::NAN]).unwrap_err().to_string(), "value 1 of a sample is not finite");
    assert_eq!(code(Counts::new(&[1], &[1, 2]).unwrap_err()), "TSC-MON-009");
    assert_eq!(code(Counts::new(&[0], &[1]).unwrap_err()), "TSC-MON-009");
    assert_eq!(code(Counts::new(&[u64::MAX, 2], &[1, 1]).unwrap_err()), "TSC-MON-009");
    let two = Features::new(&[1.0, 2.0], 2).unwrap();
    let one = Features::new(&[1.0, 2.0], 1).unwrap();
    assert_eq!(code(hotelling(one, two).unwrap_err()), "TSC-MON-010");
    let flat = Features::new(&[1.0, 1.0, 1.0], 1).unwrap();
    assert_eq!(code(hotelling(flat, flat).unwrap_err()), "TSC-MON-010");
    assert_eq!(code(PcaReconstruction::fit(flat, 0.65).unwrap_err()), "TSC-MON-010");
    assert!(area_under_roc(&[], &[1.0]).is_err() && area_under_roc(&[1.0], &[f64::NAN]).is_err());
    assert!(mmd(one, one, 0.0).is_err() && mmd(two, two, 1.0).is_err());
    assert!(mmd_permutation_p(one, one, 1.0, 0, 9, 0).is_err());
}
