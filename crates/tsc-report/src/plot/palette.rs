use tsc_core::Label;

/// Grey is noise, everywhere.
pub(crate) const NOISE: &str = "#9a9a9a";

// Okabe and Ito's colours that show on white, then four of Tol's muted ones: told apart by colour-blind readers.
const CLUSTERS: [&str; 10] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#332288", "#882255", "#999933",
    "#117733",
];

/// Colour of a label: a cluster keeps it in every plot.
pub(crate) fn colour(label: Label) -> &'static str {
    label.cluster().map_or(NOISE, |cluster| CLUSTERS[cluster.0 as usize % CLUSTERS.len()])
}

/// How often the colours were used up before this label: the marker tells the rounds apart.
pub(crate) fn round(label: Label) -> usize {
    label.cluster().map_or(0, |cluster| cluster.0 as usize / CLUSTERS.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_grey_and_no_cluster_is() {
        assert_eq!(colour(Label::NOISE), NOISE);
        for id in 0..40 {
            let label = Label::from_ids(&[id])[0];
            assert_ne!(colour(label), NOISE);
            let channels = [1, 3, 5].map(|at| i32::from_str_radix(&colour(label)[at..at + 2], 16).unwrap());
            let spread = channels.iter().max().unwrap() - channels.iter().min().unwrap();
            assert!(spread > 60, "cluster {id} looks grey");
        }
    }

    #[test]
    fn colour_and_marker_round_tell_forty_clusters_apart() {
        let labels = Label::from_ids(&(0..40).collect::<Vec<_>>());
        let looks: std::collections::BTreeSet<_> = labels.iter().map(|l| (colour(*l), round(*l))).collect();
        assert_eq!(looks.len(), 40);
    }
}
