//! Conformance suites for every stage trait, seeded generators, readers of reference files.
