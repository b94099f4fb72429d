/// Sets of samples that only ever grow together: union by size with path halving.
#[derive(Clone, Debug)]
pub(crate) struct DisjointSets {
    up: Vec<u32>,
    size: Vec<u32>,
}

impl DisjointSets {
    pub(crate) fn new(n: usize) -> Self {
        Self { up: (0..n as u32).collect(), size: vec![1; n] }
    }

    /// The sample that stands for the set.
    pub(crate) fn find(&mut self, mut a: u32) -> u32 {
        while self.up[a as usize] != a {
            let above = self.up[self.up[a as usize] as usize];
            self.up[a as usize] = above;
            a = above;
        }
        a
    }

    /// Whether the two were apart.
    pub(crate) fn join(&mut self, a: u32, b: u32) -> bool {
        let (a, b) = (self.find(a), self.find(b));
        if a == b {
            return false;
        }
        self.link(a, b);
        true
    }

    /// Joins two sets, given what stands for each; returns what stands for both.
    pub(crate) fn link(&mut self, a: u32, b: u32) -> u32 {
        let (small, large) = if self.size[a as usize] < self.size[b as usize] { (a, b) } else { (b, a) };
        self.up[small as usize] = large;
        self.size[large as usize] += self.size[small as usize];
        large
    }

    pub(crate) fn size(&mut self, a: u32) -> u32 {
        let root = self.find(a);
        self.size[root as usize]
    }

    /// Size of the set that `root` stands for.
    pub(crate) fn size_at(&self, root: u32) -> u32 {
        self.size[root as usize]
    }
}
