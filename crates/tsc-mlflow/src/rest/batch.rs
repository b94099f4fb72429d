//! log-batch: what fits into one request, and what to do when one item spoils it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::limits::{BATCH, BATCH_BYTES, BATCH_PARAMS};
use crate::op::Op;
use crate::store::Delivery;

use super::Reply;
use super::RestStore;
use super::wire::{MetricItem, Nothing, TagItem};

/// Refused items after which the rest is given up: then it is the run that is refused, not an item.
const HOPELESS: usize = 20;

#[derive(Clone, Debug)]
enum Item<'a> {
    Metric(MetricItem<'a>),
    Param(TagItem<'a>),
    Tag(TagItem<'a>),
}

impl Item<'_> {
    fn name(&self) -> String {
        match self {
            Item::Metric(item) => format!("metric {:?}", item.key),
            Item::Param(item) => format!("parameter {:?}", item.key),
            Item::Tag(item) => format!("tag {:?}", item.key),
        }
    }

    /// Upper bound of its bytes in JSON: any byte may become `\u00xx`.
    fn bytes(&self) -> usize {
        match self {
            Item::Metric(item) => 120 + 6 * item.key.len(),
            Item::Param(item) | Item::Tag(item) => 40 + 6 * (item.key.len() + item.value.len()),
        }
    }
}

/// The request. Not a `json!` value: that copies every key of every item.
#[derive(Serialize)]
struct Body<'a> {
    run_id: &'a str,
    metrics: Vec<&'a MetricItem<'a>>,
    params: Vec<&'a TagItem<'a>>,
    tags: Vec<&'a TagItem<'a>>,
}

impl RestStore {
    /// Sends all metrics, parameters and tags among `ops`.
    pub(super) fn log_batches(&self, run: &str, ops: &[Op], delivery: &mut Delivery) -> Reply<()> {
        let items = items(ops);
        let mut start = 0;
        for end in cuts(&items) {
            self.log_batch(run, &items[start..end], delivery)?;
            start = end;
        }
        Ok(())
    }

    /// Sends one request; if the server refuses it, halves it until only the bad items are left out.
    fn log_batch(&self, run: &str, items: &[Item<'_>], delivery: &mut Delivery) -> Reply<()> {
        let mut open = vec![items];
        let mut refused = 0;
        while let Some(part) = open.pop() {
            match self.post_batch(run, part) {
                Ok(()) => {}
                Err(error) if error.is_transient() => return Err(error),
                Err(error) if part.len() == 1 => {
                    refused += 1;
                    delivery.reject(1, format!("{}: {error}", part[0].name()));
                }
                Err(error) if refused >= HOPELESS => delivery.reject(part.len(), error),
                Err(_) => {
                    let (first, second) = part.split_at(part.len() / 2);
                    open.extend([second, first]);
                }
            }
        }
        Ok(())
    }

    fn post_batch(&self, run: &str, items: &[Item<'_>]) -> Reply<()> {
        let mut metrics = Vec::new();
        let (mut params, mut tags) = (Vec::new(), Vec::new());
        for item in items {
            match item {
                Item::Metric(item) => metrics.push(item),
                Item::Param(item) => params.push(item),
                Item::Tag(item) => tags.push(item),
            }
        }
        let body = Body { run_id: run, metrics, params, tags };
        self.client.post::<Nothing>("runs/log-batch", &body).map(drop)
    }
}

/// Everything in order of parameters, tags, metrics; of equal tags the last counts.
fn items(ops: &[Op]) -> Vec<Item<'_>> {
    let mut params = Vec::new();
    let mut metrics = Vec::new();
    let mut tags: BTreeMap<&str, &str> = BTreeMap::new();
    for op in ops {
        match op {
            Op::Params(pairs) => {
                params.extend(pairs.iter().map(|(key, value)| Item::Param(TagItem { key, value })));
            }
            Op::Tags(pairs) => tags.extend(pairs.iter().map(|(key, value)| (key.as_str(), value.as_str()))),
            Op::Metrics(points) => metrics.extend(points.iter().map(|point| {
                Item::Metric(MetricItem {
                    key: &point.key,
                    value: point.value,
                    timestamp: point.at,
                    step: point.step,
                })
            })),
            _ => {}
        }
    }
    params.extend(tags.into_iter().map(|(key, value)| Item::Tag(TagItem { key, value })));
    params.extend(metrics);
    params
}

/// Ends of the requests: 1000 items, 100 parameters, 100 tags, 900 kB.
fn cuts(items: &[Item<'_>]) -> Vec<usize> {
    let mut cuts = Vec::new();
    let (mut total, mut params, mut tags, mut bytes) = (0, 0, 0, 0);
    for (i, item) in items.iter().enumerate() {
        let (param, tag) =
            (usize::from(matches!(item, Item::Param(_))), usize::from(matches!(item, Item::Tag(_))));
        let full = total + 1 > BATCH
            || params + param > BATCH_PARAMS
            || tags + tag > BATCH_PARAMS
            || bytes + item.bytes() > BATCH_BYTES;
        if full && total > 0 {
            cuts.push(i);
            (total, params, tags, bytes) = (0, 0, 0, 0);
        }
        total += 1;
        params += param;
        tags += tag;
        bytes += item.bytes();
    }
    if !items.is_empty() {
        cuts.push(items.len());
    }
    cuts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::op::Point;

    fn ops(metrics: usize, params: usize, tags: usize, width: usize) -> Vec<Op> {
        let pair = |n: usize| (format!("k{n}"), "v".repeat(width));
        let point = |n: usize| Point { key: format!("m{n}").into(), value: 1.0, at: 0, step: 0 };
        vec![
            Op::Params((0..params).map(pair).collect()),
            Op::Metrics((0..metrics).map(point).collect()),
            Op::Tags((0..tags).map(pair).collect()),
        ]
    }

    proptest! {
        #[test]
        fn every_item_goes_once_and_no_request_is_too_large(
            metrics in 0_usize..2_500, params in 0_usize..250, tags in 0_usize..250, width in 0_usize..4_000
        ) {
            let ops = ops(metrics, params, tags, width);
            let items = items(&ops);
            prop_assert_eq!(items.len(), metrics + params + tags);
            let ends = cuts(&items);
            prop_assert_eq!(ends.last().copied().unwrap_or(0), items.len());
            let mut start = 0;
            for end in ends {
                prop_assert!(end > start);
                let part = &items[start..end];
                let count = |wanted: fn(&Item<'_>) -> bool| part.iter().filter(|i| wanted(i)).count();
                prop_assert!(part.len() <= 1_000);
                prop_assert!(count(|i| matches!(i, Item::Param(_))) <= 100);
                prop_assert!(count(|i| matches!(i, Item::Tag(_))) <= 100);
                prop_assert!(part.iter().map(Item::bytes).sum::<usize>() <= 900_000);
                start = end;
            }
        }
    }

    #[test]
    fn of_equal_tags_in_one_request_the_last_counts() {
        let tag = |value: &str| Op::Tags(vec![("k".into(), value.into())]);
        let ops = [tag("1"), tag("2")];
        let items = items(&ops);
        assert!(matches!(&items[..], [Item::Tag(TagItem { key: "k", value: "2" })]), "{items:?}");
    }
}
