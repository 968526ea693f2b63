//! Types inside of types: how deep they go, and how much room a value takes.

use super::Resolver;
use super::recursion::{Edge, Graph};
use crate::code::Code;
use crate::diag::Diagnostic;
use crate::model::{Body, Type, TypeId};

/// Types inside of each other end here: code for them, here and in what is generated, is as deep.
pub(super) const MAX_DEPTH: u32 = 256;

/// A value may take so many bytes in memory, without what its lists and strings hold.
const MAX_SIZE: u64 = 1 << 30;

/// What a pointer and two lengths take.
const HEAP: u64 = 24;

/// What a value of a type is made of.
#[derive(Debug, Clone, Copy, Default)]
struct Extent {
    /// Types inside of each other.
    depth: u32,
    /// About how many bytes a value takes in memory, and not less than 1: there is work to do.
    size: u64,
    /// Whether a value may take no bytes on the wire.
    empty: bool,
}

impl Resolver<'_> {
    /// Reports what no machine could handle. There must be no type that contains itself by value.
    pub(super) fn check_nesting(&mut self) {
        let graph = self.graph();
        let mut extents: Vec<Option<Extent>> = vec![None; graph.len()];
        for id in contained_first(&graph) {
            let extent = self.extent(id, &graph, &extents);
            extents[id] = Some(self.limited(id, extent));
        }
        self.check_elements(&extents);
    }

    /// What the types that it contains, as far as known, make of a type. One that is not known
    /// contains this one itself, behind a pointer.
    fn extent(&self, id: TypeId, graph: &Graph, known: &[Option<Extent>]) -> Extent {
        let inner = graph[id].iter().filter_map(|(id, _)| known[*id]);
        let depth = 1 + inner.map(|extent| extent.depth).max().unwrap_or(0);
        let (size, empty) = match &self.model.types[id].body {
            Body::Alias(ty) => of_type(ty, known),
            Body::Enum(_) => (4, false),
            Body::Extern => (HEAP, false),
            Body::Struct(body) => body.fields.iter().fold((1, true), |(size, empty), field| {
                let (more, none) = of_type(&field.ty, known);
                (more.saturating_add(size), empty && none)
            }),
            Body::Union(body) => {
                let arms = body.arms.iter().chain(&body.default);
                let fields = arms.filter_map(|arm| arm.field.as_ref());
                let largest = fields.map(|field| of_type(&field.ty, known).0).max();
                (largest.unwrap_or(0).saturating_add(4), false)
            }
        };
        Extent { depth, size, empty }
    }

    /// Reports what is too much, and takes it for little, so that it is said once.
    fn limited(&mut self, id: TypeId, extent: Extent) -> Extent {
        let name = &self.model.types[id].idl;
        let error = if extent.depth > MAX_DEPTH {
            let message = format!("type `{name}` holds types more than {MAX_DEPTH} levels deep");
            Diagnostic::new(Code::DeepTypes, self.places[id], message)
        } else if extent.size > MAX_SIZE {
            let message = format!("a value of type `{name}` takes more than 1 GiB of memory");
            Diagnostic::new(Code::TooLarge, self.places[id], message)
                .help("an array of variable length (`name<MAX>`) takes only what it holds")
        } else {
            return extent;
        };
        self.error(error);
        Extent { depth: 1, size: 1, ..extent }
    }

    /// Reports arrays whose count alone, in a few bytes, could ask for any amount of work.
    fn check_elements(&mut self, extents: &[Option<Extent>]) {
        for (span, element) in std::mem::take(&mut self.arrays) {
            if of_type(&element, extents).1 && !self.diagnostics.have_skipped() {
                let message = "the elements of this array take no bytes";
                let error = Diagnostic::new(Code::EmptyElements, span, message)
                    .label("a count of them would say all")
                    .help("an `unsigned int` says how many there are");
                self.error(error);
            }
        }
    }
}

/// The size of a value, and whether it may take no bytes on the wire.
fn of_type(ty: &Type, known: &[Option<Extent>]) -> (u64, bool) {
    match ty {
        Type::I32 | Type::U32 | Type::F32 | Type::Bool => (4, false),
        Type::I64 | Type::U64 | Type::F64 => (8, false),
        Type::Quadruple => (16, false),
        Type::OpaqueFixed(len) => (u64::from(*len), false),
        Type::Named(id) | Type::Chain(id) => {
            known[*id].map_or((HEAP, false), |extent| (extent.size, extent.empty))
        }
        Type::Fixed(inner, len) => {
            let (size, empty) = of_type(inner, known);
            (size.saturating_mul(u64::from(*len)), empty)
        }
        Type::Option(inner) => (of_type(inner, known).0.saturating_add(8), false),
        Type::Boxed(inner) | Type::Nested(inner) => of_type(inner, known),
        _ => (HEAP, false),
    }
}

/// All types, each behind those that it contains, but for those that contain it.
fn contained_first(graph: &Graph) -> Vec<TypeId> {
    let mut seen = vec![false; graph.len()];
    let mut order = Vec::new();
    for start in 0..graph.len() {
        let mut todo = vec![(start, 0)];
        while let Some((id, next)) = todo.pop() {
            if next == 0 && std::mem::replace(&mut seen[id], true) {
                continue;
            }
            match graph[id].get(next) {
                Some((inner, _)) => todo.extend([(id, next + 1), (*inner, 0)]),
                None => order.push(id),
            }
        }
    }
    order
}

/// For each type, which types hold it and are held by it: those have the same number. Only edges
/// that `follow` lets pass count.
pub(super) fn circles(graph: &Graph, follow: impl Fn(Edge) -> bool) -> Vec<usize> {
    let mut reverse: Vec<Vec<TypeId>> = vec![Vec::new(); graph.len()];
    let kept: Graph = graph
        .iter()
        .map(|edges| edges.iter().copied().filter(|(_, edge)| follow(*edge)).collect())
        .collect();
    for (id, edges) in kept.iter().enumerate() {
        edges.iter().for_each(|(inner, _)| reverse[*inner].push(id));
    }
    // Kosaraju's algorithm.
    let mut circle = vec![usize::MAX; graph.len()];
    for (number, root) in contained_first(&kept).into_iter().rev().enumerate() {
        let mut todo = vec![root];
        while let Some(id) = todo.pop() {
            if circle[id] == usize::MAX {
                circle[id] = number;
                todo.extend(&reverse[id]);
            }
        }
    }
    circle
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_hold_each_other_are_one_circle() {
        let value = |ids: &[TypeId]| ids.iter().map(|id| (*id, Edge::Value)).collect();
        let graph = vec![value(&[1]), value(&[2, 3]), value(&[0]), value(&[3, 4]), value(&[])];
        let circle = circles(&graph, |_| true);
        let same = |a: TypeId, b: TypeId| circle[a] == circle[b];
        assert!(same(0, 1) && same(1, 2));
        assert!(!same(2, 3) && !same(3, 4) && !same(0, 4));
        assert!(circles(&graph, |edge| edge != Edge::Value).is_sorted_by(|a, b| a > b));
        assert_eq!(contained_first(&graph), [2, 4, 3, 1, 0]);
    }
}
