//! `tsclust`: fit, score and watch patient segments from the command line.

fn main() {}
