//! Why nothing moves, as a view: the same few fields for every reason, and a sentence.

use trainmaster_api::{WaitingReason as Reason, WaitingView};
use trainmaster_core::ids::Owner;
use trainmaster_core::{Waiting, WaitingReason};

use super::{instant, instant_of, owners};

/// One thing that something waits for.
pub(crate) fn waiting(waiting: &Waiting) -> WaitingView {
    let mut view = WaitingView {
        path: waiting.path.as_ref().map(ToString::to_string),
        phase: waiting.phase.as_ref().map(ToString::to_string),
        reason: Reason::Engine,
        text: String::new(),
        who: Vec::new(),
        at: None,
        since: None,
        on: Vec::new(),
        approved: None,
        needed: None,
        overdue: false,
        error: None,
        handle: None,
    };
    describe(&waiting.reason, &mut view);
    view
}

fn describe(reason: &WaitingReason, view: &mut WaitingView) {
    match reason {
        WaitingReason::Finalization { who } => {
            view.reason = Reason::Finalization;
            view.text = format!(
                "a draft: waits until {} finalizes or activates it",
                people(who)
            );
            view.who = owners(who);
        }
        WaitingReason::StartTime { at } => {
            view.reason = Reason::StartTime;
            view.text = format!("starts at {at}");
            view.at = Some(instant(*at));
        }
        WaitingReason::Start { who, since } => {
            view.reason = Reason::Start;
            view.text = format!("waits until {} starts it", people(who));
            view.who = owners(who);
            view.since = instant_of(*since);
        }
        WaitingReason::Readiness { items, who, since } => {
            view.reason = Reason::Readiness;
            view.on = items.iter().map(ToString::to_string).collect();
            view.text = format!("not ready: {}; {} can say so", list(&view.on), people(who));
            view.who = owners(who);
            view.since = instant_of(*since);
        }
        WaitingReason::GroupPaused { group } => {
            view.reason = Reason::GroupPaused;
            view.text = format!("release group `{group}` is paused");
            view.on = vec![group.to_string()];
        }
        WaitingReason::Overlap { group, release } => {
            view.reason = Reason::Overlap;
            view.text = format!("release `{release}` of the same group `{group}` has to end first");
            view.on = vec![release.to_string()];
        }
        WaitingReason::Predecessor { release } => {
            view.reason = Reason::Predecessor;
            view.text = format!("release `{release}` has to succeed first");
            view.on = vec![release.to_string()];
        }
        WaitingReason::Phases { phases } => {
            view.reason = Reason::Phases;
            view.on = phases.iter().map(ToString::to_string).collect();
            view.text = format!("comes after {}", list(&view.on));
        }
        WaitingReason::Activities { activities } => {
            view.reason = Reason::Activities;
            view.on = activities.iter().map(ToString::to_string).collect();
            view.text = format!("comes after {}", list(&view.on));
        }
        WaitingReason::Window { opens_at } => {
            view.reason = Reason::Window;
            view.text = format!("opens at {opens_at}");
            view.at = Some(instant(*opens_at));
        }
        WaitingReason::Freeze {
            freeze,
            why,
            ends_at,
            until,
        } => {
            view.reason = Reason::Freeze;
            view.on = vec![freeze.to_string()];
            view.text = format!("held back by the freeze `{freeze}` ({why}) until {until}");
            if ends_at < until {
                view.text += &format!("; it ends at {ends_at}, and others follow");
            }
            view.at = Some(instant(*until));
        }
        WaitingReason::Slot { limit } => {
            view.reason = Reason::Slot;
            view.text = format!("waits for one of {limit} places");
        }
        WaitingReason::Timer { until } => {
            view.reason = Reason::Timer;
            view.text = format!("waits until {until}");
            view.at = Some(instant(*until));
        }
        WaitingReason::Retry { at, attempt, error } => {
            view.reason = Reason::Retry;
            view.text = format!("attempt {attempt} failed; tries again at {at}");
            view.at = Some(instant(*at));
            view.error = Some(error.clone());
        }
        WaitingReason::Approval {
            who,
            approved,
            needed,
            deadline,
            overdue,
        } => {
            view.reason = Reason::Approval;
            view.text = format!(
                "{approved} of {needed} approvals; {} can decide",
                people(who)
            );
            view.who = owners(who);
            view.approved = Some(*approved);
            view.needed = Some(*needed);
            view.at = instant_of(*deadline);
            view.overdue = *overdue;
        }
        WaitingReason::Input { who, fields } => {
            view.reason = Reason::Input;
            view.text = format!("waits for values from {}: {}", people(who), list(fields));
            view.who = owners(who);
            view.on.clone_from(fields);
        }
        WaitingReason::Tasks { who, open } => {
            view.reason = Reason::Tasks;
            view.on = open.iter().map(ToString::to_string).collect();
            view.text = format!("open tasks for {}: {}", people(who), list(&view.on));
            view.who = owners(who);
        }
        WaitingReason::Resolution {
            who,
            error,
            unknown,
            deadline,
        } => {
            view.reason = Reason::Resolution;
            let what = if *unknown {
                "it is not known how it went"
            } else {
                "it failed"
            };
            view.text = format!("{what}; {} decides what becomes of it", people(who));
            view.who = owners(who);
            view.error = Some(error.clone());
            view.at = instant_of(*deadline);
        }
        WaitingReason::External {
            uses,
            handle,
            since,
            deadline,
        } => {
            view.reason = Reason::External;
            view.text = format!("`{uses}` is at work since {since}");
            view.handle.clone_from(handle);
            view.since = Some(instant(*since));
            view.at = instant_of(*deadline);
        }
        WaitingReason::Child { release } => {
            view.reason = Reason::Child;
            view.text = format!("child release `{release}` is under way");
            view.on = vec![release.to_string()];
        }
        WaitingReason::Paused { by, at, why } => {
            view.reason = Reason::Paused;
            view.text = format!("paused by {by}: {why}");
            view.since = Some(instant(*at));
            view.who = vec![by.clone()];
        }
        WaitingReason::Cancellation { confirm_by } => {
            view.reason = Reason::Cancellation;
            view.text = format!("is being stopped; recorded as not confirmed at {confirm_by}");
            view.at = Some(instant(*confirm_by));
        }
        WaitingReason::Quarantine { why } => {
            view.reason = Reason::Quarantine;
            view.text = "set aside because handling it failed; somebody has to look".to_owned();
            view.error = Some(why.clone());
        }
        WaitingReason::Engine => {
            view.reason = Reason::Engine;
            view.text = "is taken up next".to_owned();
        }
    }
}

fn people(who: &[Owner]) -> String {
    match owners(who).as_slice() {
        [] => "anybody with the permission".to_owned(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiting_approval_says_who_how_many_and_until_when() {
        let reason = WaitingReason::Approval {
            who: vec![
                "team:qa".parse().expect("an owner"),
                "user:maria".parse().expect("an owner"),
            ],
            approved: 1,
            needed: 2,
            deadline: Some("2026-11-24T12:00:00Z".parse().expect("a time")),
            overdue: false,
        };
        let path = Some("sign-off/qa".parse().expect("a path"));
        let view = waiting(&Waiting {
            path,
            phase: None,
            reason,
        });
        assert_eq!(
            view.text,
            "1 of 2 approvals; team:qa or user:maria can decide"
        );
        assert_eq!(view.at.as_deref(), Some("2026-11-24T12:00:00Z"));
        assert_eq!(view.who, ["team:qa", "user:maria"]);
    }
}
