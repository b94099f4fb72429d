use super::*;
use tsc_core::{GroupId, Label, PredictionSource};

/// Held-out rows of two clusters; each version errs by its own pattern.
struct Case {
    truth: Vec<f64>,
    champion: Predictions,
    challenger: Predictions,
    groups: Option<Vec<GroupId>>,
    n_clusters: [usize; 2],
}

// Two uncorrelated +-1 patterns, so that losses differ from row to row without a random generator.
fn wave(i: usize) -> f64 {
    [1.0, -1.0, 0.5, -0.7, 0.2, -1.3, 0.9, -0.4, 1.2, -0.1][i % 10]
}

fn predictions(truth: &[f64], labels: &[i32], scale: f64) -> Predictions {
    let labels = Label::from_ids(labels);
    Predictions {
        values: truth.iter().enumerate().map(|(i, t)| t + scale * wave(i + i / 10)).collect(),
        density_labels: labels.clone(),
        labels,
        strengths: vec![1.0; truth.len()],
        sources: vec![PredictionSource::Cluster; truth.len()],
        intervals: None,
    }
}

fn case(n: usize, champion: f64, challenger: f64) -> Case {
    let truth: Vec<f64> = (0..n).map(|i| (i % 17) as f64).collect();
    let labels: Vec<i32> = (0..n).map(|i| if i % 10 == 9 { -1 } else { (i % 2) as i32 }).collect();
    Case {
        champion: predictions(&truth, &labels, champion),
        challenger: predictions(&truth, &labels, challenger),
        truth,
        groups: None,
        n_clusters: [2, 2],
    }
}

impl Case {
    fn noise(mut self, champion: usize, challenger: usize) -> Self {
        for (p, k) in [(&mut self.champion, champion), (&mut self.challenger, challenger)] {
            let labels: Vec<i32> =
                (0..self.truth.len()).map(|i| if i < k { -1 } else { (i % 2) as i32 }).collect();
            p.density_labels = Label::from_ids(&labels);
        }
        self
    }

    fn decide_with(&self, params: GateParams, trigger: &Trigger) -> GateDecision {
        let holdout = Holdout {
            truth: &self.truth,
            groups: self.groups.as_deref(),
            champion: Scored { predictions: &self.champion, n_clusters: self.n_clusters[0] },
            challenger: Scored { predictions: &self.challenger, n_clusters: self.n_clusters[1] },
        };
        Gate::new(params).unwrap().decide(&holdout, trigger).unwrap()
    }

    fn decide(&self, trigger: &Trigger) -> GateDecision {
        self.decide_with(GateParams::default(), trigger)
    }

    #[track_caller]
    fn rejected(&self, message: &str) {
        let decision = self.decide(&noise());
        assert_eq!(decision.outcome, GateOutcome::Reject, "{:?}", decision.reasons);
        let text: Vec<String> = decision.reasons.iter().map(ToString::to_string).collect();
        assert!(text.iter().any(|t| t.contains(message)), "{text:?} lacks {message:?}");
    }
}

fn noise() -> Trigger {
    Trigger::NoiseThresholdExceeded { noise_ratio: 0.5, threshold: 0.3, consecutive: 3 }
}

fn manual() -> Trigger {
    Trigger::ManualCommand { reason: "test".into() }
}

#[test]
fn a_clearly_smaller_loss_is_promoted() {
    let decision = case(400, 1.0, 0.8).decide(&manual());
    assert_eq!(decision.outcome, GateOutcome::Promote);
    assert!(matches!(decision.reasons[..], [GateReason::BetterLoss { .. }]));
    let ratio = decision.comparison.loss_ratio().unwrap();
    assert!((ratio - 0.64).abs() < 1e-9, "{ratio}"); // errors scaled by .8
    assert_eq!(decision.comparison.metric(ComparedMetric::MeanSquaredError).verdict, Verdict::Better);
}

#[test]
fn an_equal_challenger_is_rejected_for_want_of_improvement() {
    let decision = case(400, 1.0, 1.0).decide(&noise());
    assert_eq!(decision.outcome, GateOutcome::Reject);
    assert_eq!(decision.reasons, [GateReason::NotBetter { ratio: 1.0, p_value: 1.0 }]);
}

// F-31: in the seed more noise or more clusters counts as improvement.
#[test]
fn f31_noise_from_10_to_40_percent_is_rejected_even_with_a_smaller_loss() {
    let case = case(400, 1.0, 0.8).noise(40, 160);
    case.rejected("noise rose from 0.100 to 0.400, a rise of at most 0.05 is allowed");
    let noise = *case.decide(&noise()).comparison.metric(ComparedMetric::NoiseRatio);
    assert_eq!((noise.direction, noise.verdict), (Direction::LowerIsBetter, Verdict::Worse));
}

#[test]
fn f31_more_clusters_are_no_improvement() {
    let mut case = case(400, 1.0, 1.0);
    case.n_clusters = [2, 4];
    let decision = case.decide(&noise());
    assert_eq!(decision.outcome, GateOutcome::Reject);
    let count = *decision.comparison.metric(ComparedMetric::ClusterCount);
    assert_eq!((count.direction, count.verdict), (Direction::Neutral, Verdict::Undecided));
}

#[test]
fn a_rise_of_noise_at_the_limit_is_allowed() {
    assert_eq!(case(400, 1.0, 0.8).noise(40, 60).decide(&manual()).outcome, GateOutcome::Promote);
    case(400, 1.0, 0.8).noise(40, 61).rejected("noise rose");
}

#[test]
fn less_noise_promotes_at_parity_after_a_structural_trigger_only() {
    let case = case(400, 1.0, 1.0).noise(120, 60);
    let decision = case.decide(&noise());
    assert_eq!(decision.outcome, GateOutcome::Promote);
    // By hand: z = .15 / sqrt(.225 x .775 x 2 / 400) = 5.0800, normal tail 1.887e-7.
    let [GateReason::LessNoise { p_value, .. }] = decision.reasons[..] else { panic!("{decision:?}") };
    assert!((p_value / 1.887_1e-7 - 1.0).abs() < 1e-3, "{p_value:e}");
    assert_eq!(case.decide(&manual()).outcome, GateOutcome::Reject);
    // .30 -> .25 of 400: z 1.58, p .057: not clear at 1 %.
    assert_eq!(self::case(400, 1.0, 1.0).noise(120, 100).decide(&noise()).outcome, GateOutcome::Reject);
}

#[test]
fn a_loss_just_over_the_limit_is_rejected_even_with_less_noise() {
    // sqrt(1.0101) = 1.00504
    let case = case(400, 1.0, 1.005_04).noise(120, 60);
    case.rejected("of the champion's, at most 1.01 is allowed");
    assert_eq!(self::case(400, 1.0, 1.004_9).noise(120, 60).decide(&noise()).outcome, GateOutcome::Promote);
}

#[test]
fn the_number_of_clusters_stays_within_half_and_twice() {
    for (old, new, allowed) in
        [(4, 2, true), (5, 2, false), (4, 8, true), (4, 9, false), (1, 2, true), (1, 3, false)]
    {
        let mut case = case(400, 1.0, 0.8);
        case.n_clusters = [old, new];
        let promoted = case.decide(&manual()).outcome == GateOutcome::Promote;
        assert_eq!(promoted, allowed, "{old} -> {new}");
    }
}

#[test]
fn losing_the_clusters_is_rejected_unless_there_were_none() {
    for (old, new, allowed) in
        [(2, 0, false), (2, 1, false), (1, 1, true), (0, 0, true), (0, 5, true), (1, 0, false)]
    {
        let mut case = case(400, 1.0, 0.8);
        case.n_clusters = [old, new];
        let promoted = case.decide(&manual()).outcome == GateOutcome::Promote;
        assert_eq!(promoted, allowed, "{old} -> {new}");
    }
    let mut case = case(400, 1.0, 0.8);
    case.n_clusters = [2, 0];
    case.rejected("the challenger has 0 clusters, needs at least 2");
}

#[test]
fn all_noise_is_rejected_even_where_the_rise_is_small() {
    case(400, 1.0, 0.8).noise(390, 400).rejected("every held-out row is noise");
}

#[test]
fn a_cluster_that_gets_worse_is_rejected_though_the_whole_gets_better() {
    let mut case = case(400, 1.0, 0.7);
    // Cluster 1 is served 1.2 times the error; the rest gains more than it loses.
    for i in 0..400 {
        if case.champion.labels[i].id() == 1 {
            case.challenger.values[i] = case.truth[i] + 1.2 * wave(i + i / 10);
        }
    }
    assert!(case.decide(&manual()).comparison.loss_ratio().unwrap() < 1.0);
    case.rejected("cluster 1 (160 rows): loss is 1.440 of the champion's");
    let lenient = GateParams { segment_loss_rise: 0.5, ..GateParams::default() };
    assert_eq!(case.decide_with(lenient, &manual()).outcome, GateOutcome::Promote);
    let few = GateParams { segment_rows: 161, ..GateParams::default() };
    assert_eq!(case.decide_with(few, &manual()).outcome, GateOutcome::Promote);
    let strict = GateParams { segment_alpha: 0.0, ..GateParams::default() };
    assert_eq!(case.decide_with(strict, &manual()).outcome, GateOutcome::Promote);
}

#[test]
fn a_higher_share_without_a_prediction_is_rejected() {
    let mut case = case(400, 1.0, 0.8);
    case.challenger.values[3] = f64::NAN;
    case.challenger.sources[3] = PredictionSource::Unavailable;
    case.rejected("rows without a prediction rose from 0.000 to 0.003");
    assert_eq!(case.decide(&manual()).comparison.n_scored, 399);
}

#[test]
fn constant_targets_and_unscored_rows_are_rejected_with_a_reason() {
    let mut constant = case(400, 1.0, 0.8);
    constant.truth = vec![3.0; 400];
    constant.rejected("all held-out targets are equal");
    let mut unknown = case(400, 1.0, 0.8);
    unknown.truth = vec![f64::NAN; 400];
    unknown.rejected("no held-out row has a known target");
    let empty = case(0, 1.0, 0.8);
    empty.rejected("no held-out row has a known target");
}

#[test]
fn an_overflowing_loss_is_rejected() {
    let mut case = case(400, 1.0, 0.8);
    case.champion.values[0] = 1e200;
    case.challenger.values[0] = -1e200;
    case.rejected("a held-out loss is not finite");
}

#[test]
fn losses_are_summed_by_group() {
    // 400 rows of 4 patients: not enough to show anything, whatever the rows say.
    let mut case = case(400, 1.0, 0.8);
    case.groups = Some((0..400).map(|i| GroupId(i % 4)).collect());
    case.rejected("4 held-out groups, at least 8 are needed to show a smaller loss");
    let fewer = GateParams { min_groups: 4, ..GateParams::default() };
    let decision = case.decide_with(fewer, &manual());
    assert_eq!(decision.outcome, GateOutcome::Promote);
    assert_eq!(decision.comparison.loss.method, LossTestMethod::Bootstrap);
}

#[test]
fn each_remaining_gate_key_changes_the_outcome() {
    let base = GateParams::default();
    let better = case(400, 1.0, 0.8);
    let less_noise = case(400, 1.0, 1.0).noise(120, 60);
    let outcome = |case: &Case, params: GateParams| case.decide_with(params, &noise()).outcome;
    assert_eq!(outcome(&better, GateParams { alpha: 0.0, ..base.clone() }), GateOutcome::Reject);
    assert_eq!(outcome(&less_noise, GateParams { noise_alpha: 0.0, ..base.clone() }), GateOutcome::Reject);
    assert_eq!(outcome(&better, GateParams { max_loss_ratio: 0.5, ..base.clone() }), GateOutcome::Reject);
    let noisier = case(400, 1.0, 0.8).noise(40, 160);
    assert_eq!(outcome(&noisier, GateParams { max_noise_rise: 0.3, ..base.clone() }), GateOutcome::Promote);
    let method = |below| better.decide_with(GateParams { bootstrap_below: below, ..base.clone() }, &noise());
    assert_eq!(method(401).comparison.loss.method, LossTestMethod::Bootstrap);
    assert_eq!(method(400).comparison.loss.method, LossTestMethod::DieboldMariano);
}

#[test]
fn renumbered_clusters_are_the_same_clusters() {
    let mut case = case(400, 1.0, 0.8);
    let swapped: Vec<i32> = case.champion.labels.iter().map(|l| [-1, 1, 0][(l.id() + 1) as usize]).collect();
    case.challenger.density_labels = Label::from_ids(&swapped);
    let clusters = case.decide(&manual()).comparison.clusters;
    let pairs: Vec<(u32, u32)> = clusters.matched.iter().map(|(a, b)| (a.0, b.0)).collect();
    assert_eq!(pairs, [(0, 1), (1, 0)]);
    assert_eq!((clusters.reassigned, clusters.adjusted_rand), (0, Some(1.0)));
    case.challenger.density_labels[0] = Label::NOISE;
    let clusters = case.decide(&manual()).comparison.clusters;
    assert_eq!(clusters.reassigned, 1);
}

#[test]
fn columns_of_another_length_are_an_error() {
    let mut case = case(40, 1.0, 0.8);
    case.challenger.sources.pop();
    let holdout = Holdout {
        truth: &case.truth,
        groups: None,
        champion: Scored { predictions: &case.champion, n_clusters: 2 },
        challenger: Scored { predictions: &case.challenger, n_clusters: 2 },
    };
    let error = Gate::new(GateParams::default()).unwrap().decide(&holdout, &manual()).unwrap_err();
    assert_eq!(error.to_string(), "challenger's sources has 39 entries, the holdout has 40 rows");
}

#[test]
fn a_decision_survives_json() {
    for decision in [case(400, 1.0, 0.8).decide(&manual()), case(400, 1.0, 1.3).decide(&noise())] {
        let text = serde_json::to_string(&decision).unwrap();
        assert_eq!(serde_json::from_str::<GateDecision>(&text).unwrap(), decision);
    }
}

/// Share of seeded holdouts of 2,000 rows on which a challenger with `ratio` times the squared error is
/// promoted after a trigger that is not structural. The errors are normal and correlate by `correlation`.
fn promoted_share(ratio: f64, correlation: f64, repetitions: u32) -> f64 {
    let mut state = 42_u64;
    let mut uniform = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut promoted = 0;
    for _ in 0..repetitions {
        let mut case = case(2_000, 0.0, 0.0);
        for i in 0..2_000 {
            let radius = (-2.0 * (1.0 - uniform()).ln()).sqrt();
            let angle = std::f64::consts::TAU * uniform();
            let (a, b) = (radius * angle.cos(), radius * angle.sin());
            case.champion.values[i] += a;
            case.challenger.values[i] +=
                ratio.sqrt() * (correlation * a + (1.0 - correlation * correlation).sqrt() * b);
        }
        promoted += usize::from(case.decide(&manual()).outcome == GateOutcome::Promote);
    }
    let share = promoted as f64 / f64::from(repetitions);
    println!("loss ratio {ratio}, correlation {correlation}: promoted {share:.4} of {repetitions}");
    share
}

// Targets: an equal challenger at most 5 %; one with 5 % lower squared error at least 90 % at
// correlation .95, where the formula in the docs of `Gate` says .97, and .83 at .9.
#[test]
fn an_equal_challenger_is_seldom_promoted_and_a_better_one_mostly() {
    // The level is .05 by construction; two standard errors of 4,000 repetitions are .007.
    assert!(promoted_share(1.0, 0.95, 4_000) <= 0.057);
    assert!(promoted_share(0.95, 0.95, 400) >= 0.90);
    assert!((0.75..=0.90).contains(&promoted_share(0.95, 0.9, 400)));
}
