//! Types that contain themselves: which cannot be, which are lists, and which need a box.

use std::collections::BTreeSet;

use crate::code::Code;
use crate::diag::Diagnostic;
use crate::model::{Body, Type, TypeId};

use super::{Resolver, nesting};

/// How a type contains another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    Value,
    /// In an `Option`, which takes as much room as what it may hold.
    Option,
    /// In a `Vec`.
    Heap,
}

pub(super) type Graph = Vec<Vec<(TypeId, Edge)>>;

impl Resolver<'_> {
    /// Reports types that would have to contain themselves.
    pub(super) fn check_cycles(&mut self) {
        let by_value = |edges: Vec<(TypeId, Edge)>| {
            let values = edges.into_iter().filter(|(_, edge)| *edge == Edge::Value);
            values.map(|(id, _)| id).collect()
        };
        let contained: Vec<_> = self.graph().into_iter().map(by_value).collect();
        let mut done = vec![false; contained.len()];
        for start in 0..contained.len() {
            if let Some(cycle) = circle_from(&contained, start, &mut done) {
                let error = self.endless(&cycle);
                self.error(error);
                // What is unknown contains nothing, so that the other rules find an end.
                cycle.iter().for_each(|id| self.model.types[*id].body = Body::Extern);
            }
        }
    }

    fn endless(&self, cycle: &[TypeId]) -> Diagnostic {
        let name = |id: TypeId| self.model.types[id].idl.as_str();
        let first = cycle[0];
        let mut error = Diagnostic::new(
            Code::Endless,
            self.places[first],
            format!("type `{}` contains itself without end", name(first)),
        );
        for pair in cycle.windows(2) {
            error = error.also(self.places[pair[1]], format!("is inside of `{}`", name(pair[0])));
        }
        let last = cycle.last().map_or(first, |last| *last);
        error.label(format!("is inside of `{}`", name(last))).help(
            "an optional value (`type *name`) or a list of them (`type name<>`) ends somewhere",
        )
    }

    /// Takes the last member off every struct that is a node of a list, and makes lists of the
    /// optionals that point to one.
    pub(super) fn find_lists(&mut self) {
        for id in 0..self.model.types.len() {
            if self.is_node(id)
                && let Body::Struct(body) = &mut self.model.types[id].body
            {
                body.next = body.fields.pop();
            }
        }
        self.rewrite(|resolver, _, ty| resolver.with_lists(ty));
    }

    /// Whether the last member is an optional of the struct itself: the only one, because two make a
    /// tree, unless its name says that it is the next.
    fn is_node(&self, id: TypeId) -> bool {
        let Body::Struct(body) = &self.model.types[id].body else { return false };
        let to_itself = |ty: &Type| match self.model.expand(ty) {
            Type::Option(inner) => *self.model.expand(inner) == Type::Named(id),
            _ => false,
        };
        let count = body.fields.iter().filter(|field| to_itself(&field.ty)).count();
        let Some(last) = body.fields.last() else { return false };
        to_itself(&last.ty) && (count == 1 || last.rust.contains("next"))
    }

    pub(super) fn with_lists(&self, ty: &Type) -> Type {
        match ty {
            Type::Option(inner) => match self.node(inner) {
                Some(node) => Type::List(node),
                None => Type::Option(Box::new(self.with_lists(inner))),
            },
            Type::Named(id) => match &self.model.types[*id].body {
                Body::Struct(body) if body.next.is_some() => Type::Chain(*id),
                _ => ty.clone(),
            },
            Type::Fixed(inner, size) => Type::Fixed(Box::new(self.with_lists(inner)), *size),
            Type::Array(inner, max) => Type::Array(Box::new(self.with_lists(inner)), *max),
            other => other.clone(),
        }
    }

    /// The node that `ty`, by its own name or a typedef's, is.
    fn node(&self, ty: &Type) -> Option<TypeId> {
        match self.model.expand(ty) {
            Type::Chain(id) => Some(*id),
            Type::Named(id) => match &self.model.types[*id].body {
                Body::Struct(body) => body.next.is_some().then_some(*id),
                _ => None,
            },
            _ => None,
        }
    }

    /// Boxes and counts levels wherever a type leads back to the type that contains it.
    pub(super) fn mark_recursion(&mut self) {
        let graph = self.graph();
        let circles = Circles {
            all: nesting::circles(&graph, |_| true),
            inline: nesting::circles(&graph, |edge| edge != Edge::Heap),
        };
        self.rewrite(|_, holder, ty| marked(&circles, holder, ty));
    }

    pub(super) fn graph(&self) -> Graph {
        let edges_of = |item: &crate::model::TypeItem| {
            let mut edges = Vec::new();
            for ty in types_in(&item.body) {
                add_edges(ty, Edge::Value, &mut edges);
            }
            edges
        };
        self.model.types.iter().map(edges_of).collect()
    }

    /// Replaces every type that a type's body names.
    fn rewrite(&mut self, mut with: impl FnMut(&Self, TypeId, &Type) -> Type) {
        for id in 0..self.model.types.len() {
            let old = types_in(&self.model.types[id].body);
            let new: Vec<_> = old.into_iter().map(|ty| with(self, id, ty)).collect();
            for (place, ty) in places_in(&mut self.model.types[id].body).into_iter().zip(new) {
                *place = ty;
            }
        }
    }
}

fn types_in(body: &Body) -> Vec<&Type> {
    match body {
        Body::Alias(ty) => vec![ty],
        Body::Enum(_) | Body::Extern => Vec::new(),
        Body::Struct(body) => body.fields.iter().map(|field| &field.ty).collect(),
        Body::Union(body) => {
            let arms = body.arms.iter().chain(&body.default);
            arms.filter_map(|arm| arm.field.as_ref()).map(|field| &field.ty).collect()
        }
    }
}

fn places_in(body: &mut Body) -> Vec<&mut Type> {
    match body {
        Body::Alias(ty) => vec![ty],
        Body::Enum(_) | Body::Extern => Vec::new(),
        Body::Struct(body) => body.fields.iter_mut().map(|field| &mut field.ty).collect(),
        Body::Union(body) => {
            let arms = body.arms.iter_mut().chain(&mut body.default);
            arms.filter_map(|arm| arm.field.as_mut()).map(|field| &mut field.ty).collect()
        }
    }
}

fn add_edges(ty: &Type, edge: Edge, edges: &mut Vec<(TypeId, Edge)>) {
    match ty {
        Type::Named(id) => edges.push((*id, edge)),
        Type::Chain(id) => edges.extend([(*id, edge), (*id, Edge::Heap)]),
        Type::List(id) => edges.push((*id, Edge::Heap)),
        Type::Fixed(inner, _) => add_edges(inner, edge, edges),
        Type::Array(inner, _) => add_edges(inner, Edge::Heap, edges),
        Type::Option(inner) => add_edges(inner, Edge::Option, edges),
        Type::Boxed(inner) | Type::Nested(inner) => add_edges(inner, edge, edges),
        _ => {}
    }
}

/// A circle that can be reached from `start` by what each type contains, in the order of containing.
fn circle_from(contained: &[Vec<TypeId>], start: TypeId, done: &mut [bool]) -> Option<Vec<TypeId>> {
    let (mut path, mut on_path) = (Vec::new(), BTreeSet::new());
    let mut todo = vec![(start, 0)];
    while let Some((id, next)) = todo.pop() {
        if next == 0 {
            if on_path.contains(&id) {
                let circle: Vec<_> = path.into_iter().skip_while(|other| *other != id).collect();
                circle.iter().for_each(|id| done[*id] = true);
                return Some(circle);
            }
            if done[id] {
                continue;
            }
            path.push(id);
            on_path.insert(id);
        }
        match contained[id].get(next) {
            Some(inner) => todo.extend([(id, next + 1), (*inner, 0)]),
            None => {
                done[id] = true;
                path.pop();
                on_path.remove(&id);
            }
        }
    }
    None
}

/// Types that lead back to each other: those with the same number.
struct Circles {
    all: Vec<usize>,
    /// Without what is in a `Vec`.
    inline: Vec<usize>,
}

fn marked(circles: &Circles, holder: TypeId, ty: &Type) -> Type {
    let mut inside = Vec::new();
    add_edges(ty, Edge::Value, &mut inside);
    let leads_back = |circle: &[usize]| inside.iter().any(|(id, _)| circle[*id] == circle[holder]);
    let returns = leads_back(&circles.all);
    match ty {
        Type::Option(inner) if returns => {
            let grows = leads_back(&circles.inline);
            let inner = if grows { Box::new(Type::Boxed(inner.clone())) } else { inner.clone() };
            Type::Nested(Box::new(Type::Option(inner)))
        }
        Type::Array(..) | Type::List(_) if returns => Type::Nested(Box::new(ty.clone())),
        other => other.clone(),
    }
}
