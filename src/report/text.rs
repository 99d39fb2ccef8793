//! The plan for people: `hephy plan` and `hephy up --dry-run`.

use super::table::bordered;
use crate::backends::Tried;
use crate::detect::Explanation;
use crate::event::Stage;
use crate::plan::{Action, Plan, Reason, Target};

/// The plan as a table of legs under a line that says what was compared.
pub(crate) fn plan_text(plan: &Plan) -> String {
    let short = plan.commit.id.get(..12).unwrap_or(&plan.commit.id);
    let branch = plan.commit.branch.as_ref().map(|branch| format!(" on `{branch}`")).unwrap_or_default();
    let dirty = if plan.commit.dirty { ", with changes that are not committed" } else { "" };
    let base = match &plan.base.reference {
        Some(reference) => format!("compared with `{reference}` ({})", plan.base.reason),
        None => format!("compared with nothing ({})", plan.base.reason),
    };
    let target = match &plan.target {
        Target::Layout(path) => format!("images go to the layout `{}`", path.display()),
        Target::Registry => "images go to a registry".to_owned(),
    };
    let title = format!("commit {short}{branch}{dirty}; {base}; {target}\n");
    if plan.components.is_empty() {
        return format!("{title}no components: add a Dockerfile, or name components in hephy.yaml\n");
    }
    let mut table = bordered(["component", "platform", "decision", "backend", "why"]);
    for planned in &plan.components {
        for leg in &planned.legs {
            let (decision, why) = match &leg.action {
                Action::Build => ("build", planned.reason.to_string()),
                Action::Reuse(_) => ("reuse", Reason::Unchanged.to_string()),
                Action::Skip(reason) => ("skip", reason.clone()),
            };
            let (name, platform) = (planned.component.name.to_string(), leg.platform.to_string());
            table.add_row([name, platform, decision.to_owned(), planned.backend.to_string(), why]);
        }
    }
    let tags = plan.components.iter().map(|planned| {
        let tags: Vec<String> = planned.tags.iter().map(ToString::to_string).collect();
        format!("{} is tagged {}\n", planned.component.name, tags.join(" "))
    });
    format!("{title}{table}\n{}", tags.collect::<String>())
}

/// What each stage of `up` would do, a line for each step.
pub(crate) fn preview_text(steps: &[(Stage, String)]) -> String {
    steps.iter().map(|(stage, text)| format!("{:<7} {text}\n", stage.as_str())).collect()
}

/// Who reads `subject`, or what it reads, a line for each component and rule. Of a component also the rules that chose
/// its backend, in the order in which they decide.
pub(crate) fn explanation_text(subject: &str, explanation: &Explanation, tried: &[Tried]) -> String {
    let Explanation { files, reads, ignored, unread, beside, decision } = explanation;
    let number = |count: usize| match count {
        0 => String::new(),
        _ if *files < 2 => String::new(),
        1 => " (1 file)".to_owned(),
        count => format!(" ({count} files)"),
    };
    let mut text = match files {
        0 => format!("{subject}: no such file here\n"),
        1 => format!("{subject}\n"),
        files => format!("{subject}: {files} files\n"),
    };
    for Tried { rule, found, is_chosen } in tried {
        let verdict = if *is_chosen { "built by" } else { "not by" };
        text.push_str(&format!("  {verdict} {rule}: {found}\n"));
    }
    for ((component, why), count) in reads {
        text.push_str(&format!("  read by `{component}`: {why}{}\n", number(*count)));
    }
    for (glob, count) in ignored {
        text.push_str(&format!("  ignored by `{glob}`{}\n", number(*count)));
    }
    if *unread > 0 {
        text.push_str(&format!("  no component reads it{}\n", number(*unread)));
    }
    for line in beside.iter().chain(decision) {
        text.push_str(&format!("  {line}\n"));
    }
    text
}
