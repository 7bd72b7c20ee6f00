//! `check`: all problems of a fleet directory at once.

use stead_fleet::{Options, Tree, load, render, schema};

use crate::args;
use crate::failure::{Exit, Failure};
use crate::output::{Output, line};

pub fn run(out: Output, args: &args::Check) -> Result<(), Failure> {
    if let Some(kind) = &args.schema {
        return print_schema(kind);
    }
    let tree = Tree::from_dir(&args.dir);
    let loaded = load(
        &tree,
        &Options {
            node_alias_map: args.node_alias_map.clone(),
        },
    );
    let (errors, warnings) = (loaded.errors(), loaded.warnings());
    if out.json {
        out.json(&loaded.problems);
    } else {
        let text = render(&loaded.problems, &tree, out.color);
        if !text.is_empty() {
            line(text.trim_end());
        }
        if let Some(fleet) = &loaded.fleet {
            let services: usize = fleet.nodes.values().map(|n| n.services.len()).sum();
            line(&format!(
                "{}: {} nodes, {services} services, {warnings} warnings",
                fleet.name,
                fleet.nodes.len()
            ));
            for notice in &fleet.notices {
                line(&format!("note: {notice}"));
            }
        }
    }
    if errors == 0 {
        return Ok(());
    }
    let what = format!(
        "{} has {errors} {}",
        args.dir.display(),
        if errors == 1 { "error" } else { "errors" }
    );
    Err(Failure::new(
        Exit::Failed,
        "fleet-broken",
        what,
        "mend what is listed above; each line says how",
    ))
}

fn print_schema(kind: &str) -> Result<(), Failure> {
    let all = schema();
    match all.get(kind) {
        Some(schema) => {
            line(&serde_json::to_string_pretty(schema).unwrap_or_default());
            Ok(())
        }
        None => {
            let known: Vec<&str> = all.keys().copied().collect();
            let what = format!("there is no kind of file called {kind:?}");
            Err(Failure::new(
                Exit::Usage,
                "unknown-schema",
                what,
                format!("use one of {}", known.join(", ")),
            ))
        }
    }
}
