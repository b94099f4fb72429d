//! Types, traits and the error that every stage of the tsc pipeline shares.
