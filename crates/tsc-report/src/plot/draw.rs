//! The only place that knows the plotting library.

use std::collections::BTreeMap;

use kuva::plot::legend::LegendPosition;
use kuva::plot::scatter::MarkerShape;
use kuva::plot::{BandPlot, BarPlot, LinePlot, ScatterPlot};
use kuva::render::annotations::ReferenceLine;
use kuva::render::layout::{Layout, TickFormat};
use kuva::render::plots::Plot as Drawn;
use kuva::render::theme::Theme;
use tsc_core::Label;

use super::palette::{NOISE, colour, round};
use super::{ClusterMap, CondensedTree, Importance, NoiseTrend, Style};
use crate::text::{escape, percent, plain};

const INK: &str = "#1f2933";
const FONT: &str = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";
const LINE: &str = "#0072b2";
const THRESHOLD: &str = "#d55e00";

pub(super) fn cluster_map(map: &ClusterMap, style: &Style, caption: &str) -> String {
    // Label order puts noise (-1) first, so that clusters lie on top of it.
    let mut groups: BTreeMap<Label, Vec<(f64, f64)>> = BTreeMap::new();
    for ((&x, &y), &label) in map.x.iter().zip(&map.y).zip(&map.labels) {
        groups.entry(label).or_default().push((x, y));
    }
    let plots: Vec<Drawn> = groups
        .into_iter()
        .map(|(label, points)| {
            let name = label.cluster().map_or("noise".to_owned(), |c| format!("cluster {c}"));
            ScatterPlot::new()
                .with_data(points)
                .with_color(colour(label))
                .with_marker(marker(label))
                .with_marker_opacity(if label.is_noise() { 0.45 } else { 0.75 })
                .with_size(if label.is_noise() { 2.5 } else { 3.0 })
                .with_legend(name)
                .into()
        })
        .collect();
    let axis = |name: &str, at: usize| match map.explained {
        Some(explained) => format!("{name} component ({} of variance)", percent(Some(explained[at]))),
        None => format!("{name} axis"),
    };
    let layout = layout(&plots, style)
        .with_x_label(label(&axis("First", 0)))
        .with_y_label(label(&axis("Second", 1)))
        .with_legend_position(LegendPosition::OutsideRightTop);
    finish(kuva::render_to_svg(plots, layout), "Cluster map", caption)
}

pub(super) fn condensed_tree(tree: &CondensedTree, style: &Style, caption: &str) -> String {
    let band = |band: super::condensed_tree::Band| -> Drawn {
        let (fill, opacity) = band.label.map_or((NOISE, 0.35), |label| (colour(label), 0.85));
        BandPlot::new(band.density, band.lower, band.upper).with_color(fill).with_opacity(opacity).into()
    };
    let plots: Vec<Drawn> = tree.bands().into_iter().map(band).collect();
    let layout = layout(&plots, style)
        .with_x_label("Density (-log10 of the distance)")
        .with_y_label("Samples")
        .with_y_axis_min(0.0);
    finish(kuva::render_to_svg(plots, layout), "Condensed tree", caption)
}

pub(super) fn noise_trend(trend: &NoiseTrend, style: &Style, caption: &str) -> String {
    let trend = trend.newest();
    let x: Vec<f64> = trend.batches.iter().map(|&b| b as f64).collect();
    let mut plots: Vec<Drawn> = Vec::new();
    if trend.has_band() {
        let band = BandPlot::new(x.clone(), trend.lower.clone(), trend.upper.clone());
        plots.push(band.with_color(NOISE).with_opacity(0.25).into());
    }
    let points: Vec<(f64, f64)> = x.iter().copied().zip(trend.noise_ratios.iter().copied()).collect();
    let line = LinePlot::new().with_data(points.clone()).with_color(LINE).with_stroke_width(2.0);
    plots.push(line.into());
    if points.len() <= 60 {
        plots.push(ScatterPlot::new().with_data(points).with_color(LINE).with_size(3.5).into());
    }
    let lines = [trend.threshold, trend.baseline].into_iter().flatten();
    let highest = trend.noise_ratios.iter().chain(&trend.upper).copied().chain(lines).fold(0.05, f64::max);
    let mut layout = layout(&plots, style)
        .with_x_label("Batch")
        .with_y_label("Share of noise")
        .with_y_axis_min(0.0)
        .with_y_axis_max((highest * 1.15).min(1.0))
        .with_y_tick_format(percent_ticks())
        .with_x_tick_format(TickFormat::Integer);
    // Room at both ends, and for a single batch a span at all.
    let (first, last) = (x[0], x[x.len() - 1]);
    let room = ((last - first) * 0.03).max(0.5);
    layout = layout.with_x_axis_min(first - room).with_x_axis_max(last + room);
    if let Some(threshold) = trend.threshold {
        let text = format!("threshold {}", percent(Some(threshold)));
        let line = ReferenceLine::horizontal(threshold).with_color(THRESHOLD).with_stroke_width(1.5);
        layout = layout.with_reference_line(line.with_label(text));
    }
    if let Some(baseline) = trend.baseline {
        let line = ReferenceLine::horizontal(baseline).with_color(INK).with_dasharray("2 3");
        layout = layout.with_reference_line(line);
    }
    for batch in &trend.retrained_after {
        let line = ReferenceLine::vertical(*batch as f64).with_color("#009e73").with_dasharray("5 3");
        layout = layout.with_reference_line(line.with_stroke_width(1.5).with_label("new models"));
    }
    finish(kuva::render_to_svg(plots, layout), "Noise per batch", caption)
}

pub(super) fn importance(importance: &Importance, style: &Style, caption: &str) -> String {
    let fill = importance.label().map_or(INK, colour);
    // The library draws the first bar at the bottom.
    let bars = importance.top().into_iter().rev();
    let bars = bars.map(|(name, value)| (label(&plain(name, 36)), 100.0 * importance.share(value)));
    let plots: Vec<Drawn> =
        vec![BarPlot::new().with_bars(bars).with_color(fill).with_horizontal(true).with_width(0.7).into()];
    let layout = layout(&plots, style)
        .with_x_label(label(&format!("% of total {}", plain(&importance.measure, 40))))
        .with_x_axis_min(0.0);
    finish(kuva::render_to_svg(plots, layout), &format!("Importance, {}", importance.model()), caption)
}

fn layout(plots: &[Drawn], style: &Style) -> Layout {
    let theme = Theme {
        background: "none".into(),
        axis_color: "#7b8794".into(),
        grid_color: "#e4e7eb".into(),
        tick_color: "#52606d".into(),
        text_color: INK.into(),
        legend_border: "none".into(),
        font_family: Some(FONT.into()),
        ..Theme::light()
    };
    Layout::auto_from_plots(plots)
        .with_theme(theme)
        .with_width(f64::from(style.width))
        .with_height(f64::from(style.height))
        .with_label_size(14)
        .with_tick_size(12)
        .with_body_size(13)
        .with_legend_box(false)
}

fn percent_ticks() -> TickFormat {
    TickFormat::Custom(std::sync::Arc::new(|share| percent(Some(share))))
}

fn marker(label: Label) -> MarkerShape {
    match round(label) {
        0 => MarkerShape::Circle,
        1 => MarkerShape::Triangle,
        2 => MarkerShape::Square,
        3 => MarkerShape::Diamond,
        _ => MarkerShape::Cross,
    }
}

// The library reads `$..$` as a formula; a name is never one.
fn label(text: &str) -> String {
    plain(text, 120).replace('$', "\\$")
}

/// Gives the picture a name, a text alternative and a size that follows the page.
fn finish(svg: String, title: &str, caption: &str) -> String {
    let svg = without_clipping(&svg);
    let Some((open, body)) = svg.split_once('>') else { return svg };
    let attribute = |name: &str| {
        let (_, rest) = open.split_once(&format!(" {name}=\""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    let view = match (attribute("width"), attribute("height")) {
        (Some(width), Some(height)) => format!(" viewBox=\"0 0 {width} {height}\""),
        _ => String::new(),
    };
    let (title, caption) = (escape(title), escape(caption));
    format!(
        "{open}{view} role=\"img\" aria-label=\"{title}\"><title>{title}</title><desc>{caption}</desc>{body}"
    )
}

// The library numbers its clip paths by a counter of the process: other bytes for each call, and one id
// twice in a page made from stored pictures. Every axis here covers its data, so nothing needs clipping.
// Text cannot be hit: its quotes and brackets are escaped.
fn without_clipping(svg: &str) -> String {
    let mut out = String::with_capacity(svg.len());
    let mut rest = svg;
    while let Some(at) = [" clip-path=\"", "<defs>"].iter().filter_map(|start| rest.find(start)).min() {
        let end = if rest[at..].starts_with('<') { "</defs>" } else { ")\"" };
        let Some(length) = rest[at..].find(end) else { break };
        out.push_str(&rest[..at]);
        rest = &rest[at + length + end.len()..];
    }
    out + rest
}

#[cfg(test)]
mod tests;
