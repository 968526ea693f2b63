//! What comes after a piece.

use crate::format::scan::{Kind, Piece};

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ahead {
    /// The first token from this piece on.
    pub(super) token: Option<usize>,
    /// This is a token, or a comment right above one.
    pub(super) near: bool,
    /// What begins there has a body.
    pub(super) body: bool,
}

/// One for each piece.
pub(super) fn of(pieces: &[Piece<'_>]) -> Vec<Ahead> {
    let mut found = vec![Ahead::default(); pieces.len()];
    let mut token = None;
    let mut body = false;
    let mut near = false;
    for (at, piece) in pieces.iter().enumerate().rev() {
        if matches!(piece.kind, Kind::Word | Kind::Punct) {
            token = Some(at);
            body = piece.text == "{" || body && piece.text != ";";
            near = true;
        } else {
            near &= touches(pieces, at);
        }
        found[at] = Ahead { token, near, body: near && body };
    }
    found
}

/// Whether piece `at` is a comment right above what follows.
fn touches(pieces: &[Piece<'_>], at: usize) -> bool {
    let near = pieces.get(at + 1).is_some_and(|next| next.newlines <= 1);
    near && pieces[at].kind != Kind::Raw
}
