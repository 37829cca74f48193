//! `handmill models`

use handmill::error::{Error, Result};
use handmill::models;

use crate::{Outcome, print};

/// Arguments of `handmill models`.
#[derive(clap::Args)]
pub struct Args {
    /// Show one model
    name: Option<String>,
    /// Print the table as Markdown
    #[arg(long)]
    markdown: bool,
}

/// Lists the models, or shows one.
pub fn models(args: &Args) -> Result<Outcome> {
    if let Some(name) = &args.name {
        let m = models::all().find(|m| m.name == name);
        let m = m.ok_or_else(|| Error::config(name, "no such model; `handmill models` lists them"))?;
        let mut out = format!("{}  {}\nsection {}, {}\n", m.name, m.title, m.section, m.source);
        for (title, lines) in [("config", m.config), ("inputs", m.inputs), ("outputs", m.outputs)] {
            out.push_str(&format!("{title}\n"));
            lines.iter().for_each(|line| out.push_str(&format!("    {line}\n")));
        }
        print(&out);
        return Ok(Outcome::Done);
    }
    if args.markdown {
        print("| section | architecture | model | source |\n|---|---|---|---|\n");
    }
    for m in models::all() {
        if args.markdown {
            print(&format!("| {} | `{}` | {} | {} |\n", m.section, m.name, m.title, m.source));
        } else {
            print(&format!("{:<5} {:<30} {}\n", m.section, m.name, m.title));
        }
    }
    Ok(Outcome::Done)
}
