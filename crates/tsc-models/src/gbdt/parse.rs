//! The text format, version 4: a header, the trees at declared sizes, and a tail that is kept unread.

use std::str::FromStr;

use super::Inner;
use super::objective::Transform;
use super::tree::{Decision, Fact, Forest, Step, Tree};
use crate::error::ModelsError;

/// Lines of a section at most; LightGBM writes about twenty.
const LINES: usize = 64;

type Parsed<T> = Result<T, ModelsError>;

#[cold]
fn bad<T>(line: usize, message: impl Into<String>) -> Parsed<T> {
    Err(ModelsError::Text { line, message: message.into() })
}

/// Lines `key=value` of one section, each with its number.
struct Section<'a> {
    first_line: usize,
    /// Some twenty keys: looking through them is faster than a map.
    entries: Vec<(&'a str, (usize, &'a str))>,
}

impl<'a> Section<'a> {
    fn read(text: &'a str, first_line: usize) -> Parsed<Self> {
        let mut entries: Vec<(&str, (usize, &str))> = Vec::with_capacity(20);
        for (i, line) in text.lines().enumerate() {
            let number = first_line + i;
            let (key, value) = line.split_once('=').unwrap_or((line, ""));
            if entries.len() == LINES {
                return bad(number, format!("a section has more than {LINES} lines"));
            }
            if entries.iter().any(|(other, _)| *other == key) && !key.is_empty() {
                return bad(number, format!("{} stands twice", clip(key)));
            }
            entries.push((key, (number, value)));
        }
        Ok(Self { first_line, entries })
    }

    fn find(&self, key: &str) -> Option<(usize, &'a str)> {
        self.entries.iter().find(|(name, _)| *name == key).map(|(_, found)| *found)
    }

    fn get(&self, key: &str) -> Parsed<(usize, &'a str)> {
        match self.find(key) {
            Some(found) => Ok(found),
            None => bad(self.first_line, format!("{key} is missing")),
        }
    }

    fn number<T: FromStr>(&self, key: &str) -> Parsed<T> {
        let (line, text) = self.get(key)?;
        text.parse().or_else(|_| bad(line, format!("{key} is {}, must be a whole number", clip(text))))
    }

    fn list<T: FromStr>(&self, key: &str) -> Parsed<Vec<T>> {
        let (line, text) = self.get(key)?;
        let items = text.split_ascii_whitespace().map(|item| {
            item.parse().or_else(|_| bad(line, format!("{key} holds {}, which is no number", clip(item))))
        });
        items.collect()
    }

    fn list_of<T: FromStr>(&self, key: &str, length: usize) -> Parsed<Vec<T>> {
        let items = self.list(key)?;
        if items.len() != length {
            return bad(self.get(key)?.0, format!("{key} has {} entries, must have {length}", items.len()));
        }
        Ok(items)
    }

    /// Training rows of each node; 0 where a text does not tell.
    fn counts(&self, key: &str, length: usize) -> Parsed<Vec<u32>> {
        match self.find(key) {
            None | Some((_, "")) => Ok(vec![0; length]),
            Some(_) => self.list_of(key, length),
        }
    }

    fn finite(&self, key: &str, length: usize) -> Parsed<Vec<f64>> {
        let items: Vec<f64> = self.list_of(key, length)?;
        if items.iter().all(|v| v.is_finite()) {
            return Ok(items);
        }
        bad(self.get(key)?.0, format!("{key} holds a value that is not finite"))
    }
}

// Damaged text may be one endless line; a message shows its beginning.
fn clip(text: &str) -> String {
    format!("{:?}", text.chars().take(40).collect::<String>())
}

pub(super) fn model(text: &str) -> Parsed<Inner> {
    let Some(header_end) = text.find("\n\n") else { return bad(1, "the header has no end") };
    if !text.starts_with("tree\n") {
        return bad(1, "a LightGBM text starts with the line \"tree\"");
    }
    let header = Section::read(&text[..header_end], 1)?;
    let (line, version) = header.get("version")?;
    if version != "v4" {
        return bad(line, format!("version is {}, this build reads v4", clip(version)));
    }
    for key in ["num_class", "num_tree_per_iteration"] {
        let count: u32 = header.number(key)?;
        if count != 1 {
            return bad(
                header.get(key)?.0,
                format!("{key} is {count}: models of several classes are not scored"),
            );
        }
    }
    let transform = match header.find("objective") {
        Some((line, name)) => Transform::named(name).or_else(|message| bad(line, message))?,
        None => Transform::Identity,
    };
    let average = header.find("average_output").is_some();
    let (line, names) = header.get("feature_names")?;
    let feature_names: Vec<String> = names.split(' ').map(str::to_owned).collect();
    let n_features = feature_names.len();
    if header.number::<usize>("max_feature_idx")?.checked_add(1) != Some(n_features) {
        return bad(line, format!("feature_names has {n_features} names, which is not max_feature_idx + 1"));
    }

    let sizes: Vec<usize> = header.list("tree_sizes")?;
    let size_line = header.get("tree_sizes")?.0;
    if average && sizes.is_empty() {
        return bad(size_line, "a forest without trees has no average");
    }
    let mut at = header_end + 2;
    let mut line = header.entries.len() + 2;
    let (mut forest, mut starts) = (Forest::default(), vec![at]);
    let (mut split, mut gain) = (vec![0.0; n_features], vec![0.0; n_features]);
    for (number, size) in sizes.iter().enumerate() {
        let block = at.checked_add(*size).and_then(|end| text.get(at..end));
        let Some(block) = block else {
            return bad(size_line, format!("tree {number} ends beyond the text, or inside a character"));
        };
        let Some(body) = block.strip_prefix(&format!("Tree={number}\n")) else {
            return bad(line, format!("tree {number} does not start where tree_sizes says"));
        };
        let section = Section::read(body.trim_end_matches('\n'), line + 1)?;
        tree(&section, &mut forest, &mut split, &mut gain)?;
        at += size;
        starts.push(at);
        line += block.matches('\n').count();
    }
    if !text[at..].starts_with("end of trees\n") {
        return bad(line, "the trees do not end where tree_sizes says");
    }
    Ok(Inner {
        text: text.to_owned(),
        starts,
        n_features,
        feature_names,
        forest,
        transform,
        average,
        split,
        gain,
    })
}

/// Appends one tree to `forest`.
fn tree(section: &Section<'_>, forest: &mut Forest, split: &mut [f64], gain: &mut [f64]) -> Parsed<()> {
    let leaves: usize = section.number("num_leaves")?;
    if section.find("is_linear").is_some_and(|(_, value)| value != "0") {
        return bad(section.get("is_linear")?.0, "trees with linear leaves are not scored");
    }
    let values = section.finite("leaf_value", leaves)?;
    if leaves == 0 {
        return bad(section.get("num_leaves")?.0, "num_leaves is 0, must be at least 1");
    }
    let inner = leaves - 1;
    let features: Vec<u32> = section.list_of("split_feature", inner)?;
    let thresholds = section.finite("threshold", inner)?;
    let decisions: Vec<u8> = section.list_of("decision_type", inner)?;
    let left: Vec<i64> = section.list_of("left_child", inner)?;
    let right: Vec<i64> = section.list_of("right_child", inner)?;
    let gains: Vec<f64> = section.list_of("split_gain", inner)?;
    let leaf_rows = section.counts("leaf_count", leaves)?;
    let inner_rows = section.counts("internal_count", inner)?;
    let first_set = forest.sets.len();
    let n_sets = category_sets(section, &mut forest.sets)?;

    let total = inner + leaves;
    let root = forest.steps.len();
    if u32::try_from(root + total).is_err() {
        return bad(section.first_line, "too many nodes");
    }
    // Numbers as in the text, inner nodes first, in the order of the places behind `root`.
    let mut order = Vec::with_capacity(total);
    order.push((0, 0_u32));
    let mut seen = vec![false; total];
    let (mut deepest, mut plain) = (0, true);
    for place in 0..total {
        let Some(&(node, depth)) = order.get(place) else {
            return bad(section.first_line, format!("{} nodes cannot be reached", total - place));
        };
        // Each node has one parent: only then every walk ends in a leaf.
        if std::mem::replace(&mut seen[node], true) {
            return bad(section.first_line, format!("node {node} has two parents"));
        }
        deepest = deepest.max(depth);
        let here = (root + place) as u32;
        if let Some(leaf) = node.checked_sub(inner) {
            forest.steps.push(Step { threshold: f64::INFINITY, feature: 0, left: here });
            forest.values.push(values[leaf]);
            forest.facts.push(Fact { rows: leaf_rows[leaf], leaf: leaf as u32, decision: Decision::LEAF });
            continue;
        }
        let feature = features[node];
        let Some(splits) = split.get_mut(feature as usize) else {
            let message = format!("split_feature is {feature}, the model has {} features", gain.len());
            return bad(section.get("split_feature")?.0, message);
        };
        let Some(decision) = Decision::from_byte(decisions[node]) else {
            let message = format!("decision_type {} is unknown", decisions[node]);
            return bad(section.get("decision_type")?.0, message);
        };
        let mut threshold = thresholds[node];
        if decision.is_categorical() {
            if !(threshold >= 0.0 && threshold < n_sets as f64) {
                return bad(section.get("threshold")?.0, format!("category set {threshold} does not exist"));
            }
            threshold = (first_set + threshold as usize) as f64;
        }
        plain &= decision.is_plain();
        // LightGBM counts splits with a gain only.
        if gains[node] > 0.0 {
            *splits += 1.0;
            gain[feature as usize] += if gains[node].is_finite() { gains[node] } else { 0.0 };
        }
        forest.steps.push(Step { threshold, feature, left: (root + order.len()) as u32 });
        forest.values.push(0.0);
        forest.facts.push(Fact { rows: inner_rows[node], leaf: 0, decision });
        order.push((child(section, "left_child", left[node], inner)?, depth + 1));
        order.push((child(section, "right_child", right[node], inner)?, depth + 1));
    }
    let mut masks = std::mem::take(&mut forest.masks);
    let mask = plain.then(|| masks.add(forest, root as u32, leaves)).flatten();
    forest.masks = masks;
    forest.trees.push(Tree { root: root as u32, depth: deepest, plain, mask });
    Ok(())
}

// Inner nodes by number, leaves as -1 - leaf.
fn child(section: &Section<'_>, key: &str, number: i64, inner: usize) -> Parsed<usize> {
    let node = if number >= 0 {
        usize::try_from(number).ok().filter(|&node| node < inner)
    } else {
        usize::try_from(-(number + 1)).ok().filter(|&leaf| leaf <= inner).map(|leaf| inner + leaf)
    };
    match node {
        Some(node) => Ok(node),
        None => bad(section.get(key)?.0, format!("{key} {number} does not exist")),
    }
}

/// Appends the tree's sets to `sets` and tells their number.
fn category_sets(section: &Section<'_>, sets: &mut Vec<Box<[u32]>>) -> Parsed<usize> {
    let n_sets: usize = section.number("num_cat")?;
    if n_sets == 0 {
        return Ok(0);
    }
    let boundaries: Vec<usize> = section.list("cat_boundaries")?;
    let categories: Vec<u32> = section.list("cat_threshold")?;
    let whole = n_sets.checked_add(1) == Some(boundaries.len())
        && boundaries.first() == Some(&0)
        && boundaries.is_sorted()
        && boundaries.last() == Some(&categories.len());
    if !whole {
        return bad(section.get("cat_boundaries")?.0, "cat_boundaries do not partition cat_threshold");
    }
    sets.extend(boundaries.windows(2).map(|ends| categories[ends[0]..ends[1]].into()));
    Ok(n_sets)
}
