//! Processes as `/proc` shows them: who one is, whether it lives, and what belongs to an attempt.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// One process, told apart from any later one that gets its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Process {
    pid: i32,
    /// When it started, in clock ticks since the machine did.
    started: u64,
    /// Which start of the machine that was.
    boot: String,
}

impl Process {
    /// This process.
    pub(super) fn current() -> io::Result<Self> {
        let pid = Pid::this().as_raw();
        let stat =
            Stat::of(pid).ok_or_else(|| io::Error::other("`/proc` does not show this process"))?;
        Ok(Process {
            pid,
            started: stat.started,
            boot: boot()?,
        })
    }

    /// Whether it still runs; one that only waits to be buried does not.
    pub(super) fn is_alive(&self) -> bool {
        boot().is_ok_and(|boot| boot == self.boot)
            && Stat::of(self.pid)
                .is_some_and(|stat| stat.started == self.started && stat.is_alive())
    }

    /// Ends it at once.
    pub(super) fn kill(&self) {
        if self.is_alive() {
            signal(self.pid, Signal::SIGKILL);
        }
    }
}

/// Every living process that belongs to the attempt of a supervisor, the supervisor left out.
///
/// Those are its descendants (a process that is orphaned becomes its child), the processes of its session,
/// and those that carry the attempt's own path in their environment; any of the three can be shaken off,
/// hardly all of them at once.
pub(super) fn members(supervisor: &Process, mark: &Path) -> BTreeSet<i32> {
    let all = everybody();
    let mut mark = mark.as_os_str().as_encoded_bytes().to_vec();
    mark.splice(0..0, *b"TRAINMASTER_OUTPUT=");
    let same_boot = boot().is_ok_and(|boot| boot == supervisor.boot);
    all.iter()
        .filter(|(pid, stat)| **pid != supervisor.pid && stat.is_alive())
        .filter(|(pid, stat)| {
            same_boot && (stat.session == supervisor.pid || descends(**pid, supervisor.pid, &all))
                || carries(**pid, &mark)
        })
        .map(|(pid, _)| *pid)
        .collect()
}

/// Sends a signal to each process; one that is gone by then does not matter.
pub(super) fn signal_all(pids: &BTreeSet<i32>, which: Signal) {
    for pid in pids {
        signal(*pid, which);
    }
}

fn signal(pid: i32, which: Signal) {
    // Never 0 or below: those numbers mean whole groups.
    if pid > 1 {
        let _ = kill(Pid::from_raw(pid), which);
    }
}

/// The random name of this start of the machine.
fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?
        .trim()
        .to_owned())
}

fn everybody() -> BTreeMap<i32, Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, Stat::of(pid)?)))
        .collect()
}

fn descends(pid: i32, ancestor: i32, all: &BTreeMap<i32, Stat>) -> bool {
    let mut pid = pid;
    // Numbers may be reused while the list is read, so the way up is bounded.
    for _ in 0..all.len() {
        match all.get(&pid).map(|stat| stat.parent) {
            Some(parent) if parent == ancestor => return true,
            Some(parent) if parent > 1 => pid = parent,
            _ => return false,
        }
    }
    false
}

fn carries(pid: i32, mark: &[u8]) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment
        .split(|byte| *byte == 0)
        .any(|variable| variable == mark)
}

/// The part of `/proc/PID/stat` that matters here.
struct Stat {
    state: char,
    parent: i32,
    session: i32,
    started: u64,
}

impl Stat {
    fn of(pid: i32) -> Option<Stat> {
        let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let text = String::from_utf8_lossy(&text);
        // The name in parentheses may hold anything, parentheses and blanks included.
        let (_, fields) = text.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        Some(Stat {
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
        })
    }

    fn is_alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_more_than_its_number() {
        let own = Process::current().expect("this process");
        assert!(own.is_alive());
        assert!(
            !Process {
                started: own.started + 1,
                ..own.clone()
            }
            .is_alive()
        );
        assert!(
            !Process {
                boot: "another".into(),
                ..own
            }
            .is_alive()
        );
    }

    #[test]
    fn a_child_belongs_to_its_ancestor_and_dies_with_a_signal() {
        let own = Process::current().expect("this process");
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .expect("a child");
        let pid = i32::try_from(child.id()).expect("a number");
        let descends = descends(pid, own.pid, &everybody());
        assert!(descends);
        signal_all(&BTreeSet::from([pid]), Signal::SIGKILL);
        assert!(!child.wait().expect("its end").success());
    }
}
