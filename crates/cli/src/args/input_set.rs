//! The verbs of `input-set`.

use clap::{Args, Subcommand};

use super::FilterArgs;

/// `input-set …`.
#[derive(Debug, Subcommand)]
pub(crate) enum InputSetCommand {
    /// List input sets with how well they fit their process
    #[command(visible_alias = "ls")]
    List(InputSetListArgs),
    /// Show an input set: values, what is missing, what does not fit
    Show(InputSetArg),
    /// Make an input set
    Create(InputSetCreateArgs),
    /// Make an input set from a template or another set
    Clone(InputSetCloneArgs),
    /// Put an input set out of the way; it stays readable
    Archive(InputSetArg),
    /// Bring an archived input set back
    Unarchive(InputSetArg),
    /// List the revisions of an input set, or compare two
    Revisions(InputSetRevisionsArgs),
}

/// One input set.
#[derive(Clone, Debug, Args)]
pub(crate) struct InputSetArg {
    /// Input set
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Organization it belongs to [default: the account level]
    #[arg(long, value_name = "ORGANIZATION")]
    pub(crate) org: Option<String>,
}

/// `input-set list`.
#[derive(Clone, Debug, Args)]
pub(crate) struct InputSetListArgs {
    /// Only sets of this process
    #[arg(long, value_name = "PROCESS")]
    pub(crate) process: Option<String>,
    /// Only templates
    #[arg(long)]
    pub(crate) templates: bool,
    /// Archived ones too
    #[arg(long)]
    pub(crate) archived: bool,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

/// `input-set create`.
#[derive(Clone, Debug, Args)]
pub(crate) struct InputSetCreateArgs {
    #[command(flatten)]
    pub(crate) set: InputSetArg,
    /// Process whose inputs it fills
    #[arg(long, value_name = "PROCESS")]
    pub(crate) process: String,
    /// Value k=v, k:=JSON, or k=@FILE; repeatable
    #[arg(long = "set", value_name = "K=V")]
    pub(crate) values: Vec<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// It is a starting point to clone
    #[arg(long)]
    pub(crate) template: bool,
}

/// `input-set clone`.
#[derive(Clone, Debug, Args)]
pub(crate) struct InputSetCloneArgs {
    #[command(flatten)]
    pub(crate) from: InputSetArg,
    /// Name of the new set
    #[arg(value_name = "NEW-NAME")]
    pub(crate) to: String,
    /// Organization of the new set [default: that of the other one]
    #[arg(long, value_name = "ORGANIZATION")]
    pub(crate) to_org: Option<String>,
    /// Value that is different: k=v, k:=JSON, or k:=null to leave it out; repeatable
    #[arg(long = "set", value_name = "K=V")]
    pub(crate) values: Vec<String>,
    /// What it is for [default: as the other one]
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
}

/// `input-set revisions`.
#[derive(Clone, Debug, Args)]
pub(crate) struct InputSetRevisionsArgs {
    #[command(flatten)]
    pub(crate) set: InputSetArg,
    /// Compare two revisions instead of listing them
    #[arg(long, num_args = 2, value_names = ["A", "B"])]
    pub(crate) diff: Option<Vec<u32>>,
}
