//! New model texts from the trees of others: fewer rounds, a weighted sum of models, or one after the other.

use std::fmt::Write as _;

use super::{GbdtModel, Inner, parse};
use crate::error::ModelsError;

const SIZES: &str = "\ntree_sizes=";
const IMPORTANCES: &str = "\nfeature_importances:\n";

/// The model of the first `rounds` rounds.
pub(super) fn truncated(model: &GbdtModel, rounds: u32) -> GbdtModel {
    let kept = rounds.max(1) as usize;
    if kept >= model.n_trees() {
        return model.clone();
    }
    let bodies = (0..kept).map(|tree| body(&model.0, tree).to_owned());
    told(&model.0, bodies).expect("the first trees of a model are a model")
}

/// The model whose raw score is the weighted sum of the raw scores.
pub(super) fn blended(parts: &[(f64, &GbdtModel)]) -> Result<GbdtModel, ModelsError> {
    let Some((_, GbdtModel(first))) = parts.first() else {
        return Err(ModelsError::Blend("no model".into()));
    };
    for (part, (weight, GbdtModel(model))) in parts.iter().enumerate() {
        if !weight.is_finite() {
            return Err(ModelsError::Blend(format!("weight {part} is {weight}, must be finite")));
        }
        check_like(model, first)?;
    }
    let total: usize = parts.iter().map(|(_, model)| model.n_trees()).sum();
    let bodies = parts.iter().flat_map(|&(weight, GbdtModel(model))| {
        let n = model.forest.trees.len();
        // A forest is divided by the number of all trees, the others' included.
        let factor = if model.average { weight * (total as f64 / n as f64) } else { weight };
        (0..n).map(move |tree| scaled(body(model, tree), factor))
    });
    told(first, bodies)
}

/// The trees of one model and then of the other, under the header of the second.
pub(super) fn followed(first: &GbdtModel, second: &GbdtModel) -> Result<GbdtModel, ModelsError> {
    check_like(&second.0, &first.0)?;
    // What learned nothing is a tree without a split, which LightGBM does not add to others.
    if !second.splits() {
        return Ok(first.clone());
    }
    let bodies = [first, second]
        .into_iter()
        .flat_map(|GbdtModel(model)| (0..model.forest.trees.len()).map(|tree| body(model, tree).to_owned()));
    told(&second.0, bodies)
}

/// Refuses a model of other features or another objective.
pub(super) fn check_like(model: &Inner, other: &Inner) -> Result<(), ModelsError> {
    let (names, others) = (model.feature_names.iter(), other.feature_names.iter());
    if names.len() != others.len() {
        return Err(ModelsError::Blend(format!(
            "one has {} features, the other {}",
            names.len(),
            others.len()
        )));
    }
    if let Some((name, other)) = names.zip(others).find(|(name, other)| name != other) {
        return Err(ModelsError::Blend(format!("feature {name} of one is {other} of the other")));
    }
    let objective = |model: &Inner| {
        let line =
            model.text.lines().find_map(|line| line.strip_prefix("objective=")).unwrap_or("none").to_owned();
        if model.average { line + ", averaged" } else { line }
    };
    let (one, other) = (objective(model), objective(other));
    if one != other {
        return Err(ModelsError::Blend(format!("objective {one} of one is {other} of the other")));
    }
    Ok(())
}

/// The lines of a tree behind its number.
fn body(model: &Inner, tree: usize) -> &str {
    let text = &model.text[model.starts[tree]..model.starts[tree + 1]];
    text.split_once('\n').map_or("", |(_, body)| body)
}

fn scaled(body: &str, factor: f64) -> String {
    let mut out = String::with_capacity(body.len());
    for line in body.split_inclusive('\n') {
        match line.trim_end_matches('\n').split_once('=') {
            Some((key @ ("leaf_value" | "internal_value" | "shrinkage"), values)) => {
                let scaled = values
                    .split(' ')
                    .map(|v| v.parse().map_or(v.to_owned(), |v: f64| (v * factor).to_string()));
                let _infallible = writeln!(out, "{key}={}", scaled.collect::<Vec<_>>().join(" "));
            }
            _ => out.push_str(line),
        }
    }
    out
}

/// The trees between the header and the tail of `of`.
fn told(of: &Inner, bodies: impl Iterator<Item = String>) -> Result<GbdtModel, ModelsError> {
    let (trees, sizes): (Vec<String>, Vec<String>) = bodies
        .enumerate()
        .map(|(number, body)| {
            let tree = format!("Tree={number}\n{body}");
            let size = tree.len().to_string();
            (tree, size)
        })
        .unzip();
    let header = &of.text[..of.starts[0]];
    let at = header.find(SIZES).map_or(0, |at| at + SIZES.len());
    let end = header[at..].find('\n').map_or(header.len(), |length| at + length);
    let tail = &of.text[of.starts[of.forest.trees.len()]..];
    let head = [&header[..at], &sizes.join(" "), &header[end..], &trees.concat()].concat();
    let mut inner = parse::model(&format!("{head}{tail}"))?;
    // LightGBM never reads the list of importances, but people do.
    if let Some((before, list)) = tail.split_once(IMPORTANCES) {
        let rest =
            list.find("\n\n").map_or("\n", |at| if list.starts_with('\n') { list } else { &list[at + 1..] });
        inner.text = format!("{head}{before}{IMPORTANCES}{}{rest}", importances(&inner));
    }
    Ok(GbdtModel(inner.into()))
}

/// Features by their number of splits, the most first, ties in the order of the columns.
fn importances(model: &Inner) -> String {
    let mut used: Vec<(f64, &str)> =
        model.split.iter().copied().zip(model.feature_names.iter().map(String::as_str)).collect();
    used.retain(|(splits, _)| *splits > 0.0);
    used.sort_by(|a, b| b.0.total_cmp(&a.0));
    used.iter().map(|(splits, name)| format!("{name}={splits}\n")).collect()
}
