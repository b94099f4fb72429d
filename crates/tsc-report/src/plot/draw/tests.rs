use super::*;
use crate::plot::Plot;

const HOSTILE: &str = "<script>alert(1)</script>&\"'";

/// Values of an attribute of every element that starts with `tag`, in order.
fn attributes(svg: &str, tag: &str, name: &str) -> Vec<String> {
    let elements = svg.split(tag).skip(1).filter_map(|rest| rest.split_once('>').map(|(element, _)| element));
    let value = |element: &str| {
        let (_, rest) = element.split_once(&format!(" {name}=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    elements.filter_map(value).collect()
}

fn numbers(svg: &str, tag: &str, name: &str) -> Vec<f64> {
    attributes(svg, tag, name).iter().map(|v| v.parse().unwrap()).collect()
}

/// Drawn positions must be one straight line of the reported values; pixels are rounded to 0.01.
#[track_caller]
fn check_affine(values: &[f64], pixels: &[f64]) {
    assert_eq!(values.len(), pixels.len(), "one mark per value");
    let low = (0..values.len()).min_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap();
    let high = (0..values.len()).max_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap();
    let slope = (pixels[high] - pixels[low]) / (values[high] - values[low]);
    assert!(slope.abs() > 1.0, "the marks are apart");
    for (value, pixel) in values.iter().zip(pixels) {
        let expected = pixels[low] + slope * (value - values[low]);
        assert!((pixel - expected).abs() < 0.03, "{value} is drawn at {pixel}, expected {expected}");
    }
}

fn trend() -> NoiseTrend {
    NoiseTrend {
        batches: (5..25).collect(),
        noise_ratios: (0..20).map(|i| f64::from(i * 7 % 20) / 30.0).collect(),
        threshold: Some(0.3),
        ..NoiseTrend::default()
    }
}

fn map() -> ClusterMap {
    let labels = Label::from_ids(&[0, -1, 1, 1, 12, -1, 0]);
    let x = vec![1.0, -4.0, 2.5, 0.0, 3.0, 1.5, -1.0];
    let y = vec![0.5, 2.0, -3.0, 1.0, 0.0, -0.5, 4.0];
    ClusterMap { x, y, labels, explained: Some([0.7, 0.2]), n_samples: 7 }
}

fn importances(features: &[&str]) -> Importance {
    Importance {
        cluster: Some(tsc_core::ClusterId(1)),
        measure: "gain".into(),
        features: features.iter().map(|&f| f.into()).collect(),
        values: (0..features.len()).map(|i| 8.0 / (i + 1) as f64).collect(),
    }
}

/// E-25: plotted values equal reported values.
#[test]
fn each_batch_is_drawn_at_its_noise_ratio_e25() {
    let svg = Plot::NoiseTrend(trend()).to_svg(&Style::default()).unwrap();
    check_affine(&trend().noise_ratios, &numbers(&svg, "<circle", "cy"));
    let batches: Vec<f64> = trend().batches.iter().map(|&b| b as f64).collect();
    check_affine(&batches, &numbers(&svg, "<circle", "cx"));
    assert!(svg.contains("threshold 30\u{202f}%"));
}

/// E-25 and E-29: each sample once, at its place, noise in grey and first.
#[test]
fn each_sample_is_drawn_once_in_its_clusters_colour_e29() {
    let svg = Plot::ClusterMap(map()).to_svg(&Style::default()).unwrap();
    let circles = attributes(&svg, "<circle", "fill");
    // Without the legend: noise, cluster 0 and 1 have circles, cluster 12 is in the second round of markers.
    let of = |colour: &str| circles.iter().filter(|c| *c == colour).count();
    let legend = 1;
    assert_eq!((of(NOISE) - legend, of("#0072b2") - legend, of("#d55e00") - legend), (2, 2, 2));
    assert_eq!(&circles[..2], [NOISE, NOISE], "noise lies below the clusters");
    // Label order: the two noise samples, then cluster 0, then cluster 1.
    let drawn = [-4.0, 1.5, 1.0, -1.0, 2.5, 0.0];
    check_affine(&drawn, &numbers(&svg, "<circle", "cx")[..6]);
    let drawn = [2.0, -0.5, 0.5, 4.0, -3.0, 1.0];
    check_affine(&drawn, &numbers(&svg, "<circle", "cy")[..6]);
}

/// E-25: the widest bar is the largest share.
#[test]
fn bars_are_as_long_as_the_shares_e25() {
    let importance = importances(&["a", "b", "c", "d"]);
    let svg = Plot::Importance(importance.clone()).to_svg(&Style::default()).unwrap();
    let bars: Vec<f64> = svg
        .split("<rect")
        .skip(1)
        .filter(|rest| rest.split('>').next().unwrap().contains(colour(Label::from_ids(&[1])[0])))
        .map(|rest| numbers(&format!("<rect{rest}"), "<rect", "width")[0])
        .collect();
    let expected: Vec<f64> = importance.top().iter().rev().map(|(_, v)| *v).collect();
    check_affine(&expected, &bars);
}

/// E-26: no counter, clock or randomness.
#[test]
fn a_plot_has_the_same_bytes_every_time_e26() {
    let plots =
        [Plot::ClusterMap(map()), Plot::NoiseTrend(trend()), Plot::Importance(importances(&["a", "b"]))];
    for plot in plots {
        let svg = plot.to_svg(&Style::default()).unwrap();
        assert!(svg == plot.to_svg(&Style::default()).unwrap(), "{} differs", plot.name());
        assert!(
            !svg.contains("clip") && !svg.contains(" id="),
            "{} has an id that a page may have twice",
            plot.name()
        );
        assert!(svg.contains("role=\"img\"") && svg.contains("<title>") && svg.contains("<desc>"));
        assert!(svg.contains("viewBox=\"0 0 900 420\""));
    }
}

/// E-27: a name stays text.
#[test]
fn a_hostile_feature_name_stays_text_e27() {
    let mut importance = importances(&[HOSTILE, "$\\alpha^2$ and $x$", "line\nbreak\u{0}", "plain"]);
    importance.measure = HOSTILE.into();
    let svg = Plot::Importance(importance).to_svg(&Style::default()).unwrap();
    assert!(!svg.contains("<script") && svg.contains("&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;"));
    assert!(svg.contains(">$\\alpha^2$ and $x$<"), "a name between dollars is no formula");
    assert!(!svg.chars().any(|c| c.is_control()), "control characters are not allowed in XML");
}

#[test]
fn one_batch_one_sample_and_one_feature_are_drawn() {
    let one = NoiseTrend { batches: vec![3], noise_ratios: vec![0.0], ..NoiseTrend::default() };
    let svg = Plot::NoiseTrend(one).to_svg(&Style::default()).unwrap();
    assert_eq!(numbers(&svg, "<circle", "cx").len(), 1);
    let one = ClusterMap { x: vec![0.0], y: vec![0.0], labels: vec![Label::NOISE], ..ClusterMap::default() };
    let svg = Plot::ClusterMap(one).to_svg(&Style::default()).unwrap();
    assert!(!svg.contains("NaN") && !svg.contains("inf"));
    let svg = Plot::Importance(importances(&["only"])).to_svg(&Style::default()).unwrap();
    assert!(svg.contains(">only<") && !svg.contains("NaN"));
}

#[test]
fn values_at_the_ends_of_f64_do_not_break_a_plot() {
    let with = |huge: f64| {
        let labels = Label::from_ids(&[0, 1, -1]);
        let (x, y) = (vec![huge, -huge, 0.0], vec![-huge, huge, huge]);
        ClusterMap { x, y, labels, ..ClusterMap::default() }
    };
    assert_eq!(with(1e308).missing().unwrap(), "x 0 is beyond 1e100");
    for huge in [1e100, 1e17, 1e-308] {
        let map = with(huge);
        let svg = Plot::ClusterMap(map).to_svg(&Style::default()).unwrap();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{huge:e}");
    }
}
