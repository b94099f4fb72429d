//! Expected values: scipy 1.14.1, by the expression named in each test.

use super::gamma::ln_gamma;
use super::*;

#[track_caller]
fn close(got: f64, want: f64, relative: f64) {
    assert!((got - want).abs() <= relative * want.abs().max(1e-300), "got {got:e}, want {want:e}");
}

#[test]
fn the_upper_tail_of_chi_square_agrees_with_scipy() {
    // scipy.stats.chi2.sf(x, dof)
    for (x, dof, want) in [
        (0.0, 3.0, 1.0),
        (1e-8, 1.0, 0.999_920_211_544_052_6),
        (1.0, 1.0, 0.317_310_507_862_911_15),
        (3.0, 9.0, 0.964_294_972_685_089_1),
        (9.0, 9.0, 0.437_274_188_913_866_93),
        (21.67, 9.0, 0.009_985_789_299_578_333),
        (60.0, 9.0, 1.340_678_048_395_962_5e-9),
        (500.0, 9.0, 5.749_413_903_044_695_4e-102),
        (1200.0, 1000.0, 1.225_594_233_062_289_3e-5),
    ] {
        close(chi_square_sf(x, dof), want, 1e-11);
    }
}

#[test]
fn the_upper_tail_of_the_normal_agrees_with_scipy() {
    // scipy.stats.norm.sf(z)
    for (z, want) in [
        (-9.0, 1.0),
        (-1.0, 0.841_344_746_068_542_9),
        (0.0, 0.5),
        (1e-9, 0.499_999_999_601_057_73),
        (0.5, 0.308_537_538_725_986_9),
        (6.0, 9.865_876_450_376_946e-10),
        (20.0, 2.753_624_118_606_155_6e-89),
        (37.0, 5.725_571_222_523_926_6e-300),
    ] {
        close(normal_sf(z), want, 1e-11);
    }
}

#[test]
fn the_upper_tail_of_student_t_agrees_with_scipy() {
    // scipy.stats.t.sf(t, dof)
    for (t, dof, want) in [
        (-2.5, 3.0, 0.956_146_676_495_967_3),
        (0.0, 7.0, 0.5),
        (1e-6, 4.0, 0.499_999_625),
        (0.7, 1.0, 0.305_599_887_785_775_3),
        (2.0, 2.5, 0.078_695_747_878_983),
        (5.0, 119.0, 9.982_240_655_126_963e-7),
        (40.0, 29.0, 3.173_438_664_864_658_7e-27),
    ] {
        close(student_t_sf(t, dof), want, 1e-9);
    }
    // ln_gamma of half a million leaves 8 digits.
    close(student_t_sf(1.6, 1e6), 0.054_799_449_650_805_57, 1e-8);
    assert_eq!(student_t_sf(f64::INFINITY, 3.0), 0.0);
}

#[test]
fn the_upper_tail_of_f_agrees_with_scipy() {
    // scipy.stats.f.sf(x, d1, d2), 1.17.1
    for (x, d1, d2, want) in F_SF {
        close(f_sf(x, d1, d2), want, 1e-11);
    }
    assert_eq!((f_sf(0.0, 3.0, 4.0), f_sf(f64::INFINITY, 3.0, 4.0)), (1.0, 0.0));
    assert!(f_sf(1.0, 0.0, 4.0).is_nan() && f_sf(f64::NAN, 3.0, 4.0).is_nan());
}

#[test]
fn quantiles_agree_with_scipy() {
    // scipy.stats.norm.ppf(p), scipy.stats.t.ppf(p, dof)
    for (p, want) in [
        (1e-12, -7.034_483_825_301_131),
        (0.001, -3.090_232_306_167_813),
        (0.3, -0.524_400_512_708_040_9),
        (0.5, 0.0),
        (0.975, 1.959_963_984_540_054),
    ] {
        assert!((normal_quantile(p) - want).abs() < 1e-11, "{p}: {}", normal_quantile(p));
    }
    for (p, dof, want) in [
        (0.975, 1.0, 12.706_204_736_432_095),
        (0.95, 29.0, 1.699_127_026_533_497_2),
        (0.01, 3.5, -4.060_711_359_314_515),
        (0.9999, 120.0, 3.837_170_749_032_836),
    ] {
        close(student_t_quantile(p, dof), want, 1e-9);
    }
    assert_eq!((normal_quantile(0.0), normal_quantile(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
    assert!(normal_quantile(1.5).is_nan() && normal_quantile(f64::NAN).is_nan());
}

#[test]
fn ln_gamma_agrees_with_known_factorials() {
    close(ln_gamma(0.5), std::f64::consts::PI.sqrt().ln(), 1e-13);
    close(ln_gamma(11.0), 3_628_800_f64.ln(), 1e-13);
    close(ln_gamma(0.005), 5.295_451_799_982_128, 1e-13);
}

#[test]
fn proportions_agree_with_scipy() {
    // gen: ph=(k1+k2)/(n1+n2); z=(k2/n2-k1/n1)/sqrt(ph*(1-ph)*(1/n1+1/n2));
    //      scipy.stats.binomtest(4, 100).proportion_ci(.95, "wilson")
    assert_eq!(two_proportion_z((2, 20), (2, 20)), Some(0.0));
    assert_eq!(two_proportion_z((0, 20), (0, 20)), None);
    assert_eq!(two_proportion_z((0, 0), (1, 20)), None);
    let (low, high) = wilson_interval(4, 100, 0.95);
    close(low, WILSON_4_OF_100.0, 1e-10);
    close(high, WILSON_4_OF_100.1, 1e-10);
    assert_eq!(wilson_interval(0, 0, 0.95), (0.0, 1.0));
}

const WILSON_4_OF_100: (f64, f64) = (0.015_663_303_991_547_62, 0.098_370_714_358_879_2);

#[test]
fn adjusted_p_values_keep_their_order_and_stay_below_one() {
    // scipy.stats.false_discovery_control([.01, .01, .02, .5, 1., 0.])
    let adjusted = benjamini_hochberg(&[0.01, 0.01, 0.02, 0.5, 1.0, 0.0]);
    for (got, want) in adjusted.iter().zip([0.02, 0.02, 0.03, 0.6, 1.0, 0.0]) {
        assert!((got - want).abs() < 1e-15, "{adjusted:?}");
    }
    assert!(benjamini_hochberg(&[]).is_empty());
}

const F_SF: [(f64, f64, f64, f64); 4] = [
    (1.0, 3.0, 4.0, 0.478_949_119_232_426_5),
    (11.61, 6.0, 153.0, 1.078_164_017_748_275_7e-10),
    (0.01, 2.0, 9.0, 0.990_060_818_093_807_2),
    (90.0, 10.0, 40.0, 3.413_142_823_544_6e-24),
];
