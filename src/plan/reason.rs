//! Reasons in `plan.json`: a code for programs, the sentence for people, and what the sentence is made of.

use super::file::{CauseFile, ReasonFile};
use super::{Cause, PlanError, Reason};

/// The reason as it is written.
pub(super) fn reason_file(reason: &Reason) -> ReasonFile {
    let file = |code: &str| ReasonFile {
        code: code.to_owned(),
        text: reason.to_string(),
        path: None,
        why: None,
        others: None,
        base: None,
        images: vec![],
        causes: vec![],
    };
    match reason {
        Reason::Changed { path, why, others } => ReasonFile {
            path: Some(path.clone()),
            why: Some(why.clone()),
            others: Some(*others),
            ..file("inputs-changed")
        },
        Reason::NoImage => file("no-image"),
        Reason::HintMiss { base, causes } => {
            let cause = |cause: &Cause| {
                let (code, names) = cause.code();
                CauseFile { code: code.to_owned(), names }
            };
            let causes = causes.iter().map(cause).collect();
            ReasonFile { base: Some(base.clone()), causes, ..file("hint-miss") }
        }
        Reason::BuiltBefore { base, path, others } => ReasonFile {
            base: Some(base.clone()),
            path: Some(path.clone()),
            others: Some(*others),
            ..file("built-before")
        },
        Reason::BaseUnknown { image } => ReasonFile { images: vec![image.clone()], ..file("base-unknown") },
        Reason::All => file("all"),
        Reason::Unchanged => file("unchanged"),
    }
}

/// The reason that was written.
pub(super) fn reason(file: ReasonFile) -> Result<Reason, PlanError> {
    match file.code.as_str() {
        "inputs-changed" => Ok(Reason::Changed {
            path: file.path.unwrap_or_default(),
            why: file.why.unwrap_or_default(),
            others: file.others.unwrap_or_default(),
        }),
        "no-image" => Ok(Reason::NoImage),
        "hint-miss" => Ok(Reason::HintMiss {
            base: file.base.unwrap_or_default(),
            causes: file.causes.into_iter().map(cause).collect::<Result<_, _>>()?,
        }),
        "built-before" => Ok(Reason::BuiltBefore {
            base: file.base.unwrap_or_default(),
            path: file.path.unwrap_or_default(),
            others: file.others.unwrap_or_default(),
        }),
        "base-unknown" => {
            Ok(Reason::BaseUnknown { image: file.images.into_iter().next().unwrap_or_default() })
        }
        "all" => Ok(Reason::All),
        "unchanged" => Ok(Reason::Unchanged),
        _ => Err(PlanError::Value { what: "reason", text: file.code }),
    }
}

fn cause(file: CauseFile) -> Result<Cause, PlanError> {
    let CauseFile { code, names } = file;
    Cause::of_code(&code, names).ok_or(PlanError::Value { what: "cause", text: code })
}
