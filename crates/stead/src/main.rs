//! `stead`: server, agent and command line in one binary. Here: from the command line to the command.

// A shell: clocks are read here and handed on.
#![allow(clippy::disallowed_methods)]

mod args;
mod client;
mod commands;
mod failure;
mod output;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Cli, Command};
use client::Client;
use failure::Failure;
use output::Output;

/// A controller decodes on one thread what it decides about, and frees, on another (docs/adr/0067).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.global.json;
    match dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(json);
            ExitCode::from(failure.exit as u8)
        }
    }
}

fn dispatch(cli: Cli) -> Result<(), Failure> {
    let out = Output::new(&cli.global);
    match cli.command {
        Command::Up(args) => commands::serve::up(args),
        Command::Server(args) => commands::serve::server(args),
        Command::Agent(args) => commands::serve::agent(args, &cli.global),
        Command::Init(args) => block(commands::init::run(out, &args)),
        Command::Check(args) => commands::check::run(out, &args),
        Command::Policy(args::Policy {
            command: args::PolicyCommand::Test(test),
        }) if test.data.is_some() => {
            let data = test.data.clone().unwrap_or_default();
            block(commands::policy::test_offline(out, &test, &data))
        }
        Command::Rebuild(args) => block(commands::rebuild::run(out, &args)),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "stead", &mut std::io::stdout());
            Ok(())
        }
        Command::Version => block(commands::version::run(Client::new(&cli.global), out)),
        online => block(ask(Client::new(&cli.global)?, out, online)),
    }
}

/// The commands that ask the server.
async fn ask(client: Client, out: Output, command: Command) -> Result<(), Failure> {
    match command {
        Command::Status(moment) => commands::lists::status(&client.at(&moment), out, &moment).await,
        Command::Overview(args) => {
            commands::overview::run(&client.at(&args.moment), out, args).await
        }
        Command::Nodes(args) => commands::lists::nodes(&client.at(&args.moment), out, args).await,
        Command::Services(args) => {
            commands::lists::services(&client.at(&args.moment), out, args).await
        }
        Command::Drift(args) => commands::lists::drift(&client.at(&args.moment), out, args).await,
        Command::Containers(args) => {
            commands::containers::run(&client.at(&args.moment), out, args).await
        }
        Command::Advise(args) => commands::advise::run(&client, out, args).await,
        Command::Logs(args) => commands::logs::run(&client, out, args).await,
        Command::Score(args) => commands::insight::score(&client, out, args).await,
        Command::Trend(args) => commands::insight::trend(&client, out, args).await,
        Command::Inventory(args) => {
            commands::inventory::run(&client.at(&args.moment), out, args).await
        }
        Command::Models(args) => commands::models::run(&client, out, args).await,
        Command::Events(args) => commands::events::run(&client, out, args).await,
        Command::Actions(args) => commands::actions::run(&client.at(&args.moment), out, args).await,
        Command::Why(args) => commands::why::run(&client.at(&args.moment), out, &args).await,
        Command::Lock(args) => commands::restraint::lock(&client, out, args).await,
        Command::Unlock(args) => commands::restraint::unlock(&client, out, args).await,
        Command::Locks(moment) => commands::restraint::locks(&client.at(&moment), out).await,
        Command::Brake(args) => {
            commands::restraint::brake(&client.at(&args.moment), out, &args).await
        }
        Command::Alerts(args) => {
            commands::messages::alerts(&client.at(&args.moment), out, &args).await
        }
        Command::Messages(args) => {
            commands::messages::messages(&client.at(&args.moment), out, &args).await
        }
        Command::Notify(args) => commands::messages::notify(&client, out, args.command).await,
        Command::Roll(args) => commands::roll::run(&client, out, args).await,
        Command::Rolls(args) => commands::roll::list(&client.at(&args.moment), out).await,
        Command::Drill(_) => commands::drill::run(&client, out).await,
        Command::Drills(moment) => commands::drill::list(&client.at(&moment), out).await,
        Command::Policy(args) => match args.command {
            args::PolicyCommand::Show(show) => {
                commands::policy::show(&client.at(&show.moment), out, &show).await
            }
            args::PolicyCommand::Test(test) => commands::policy::test(&client, out, &test).await,
        },
        Command::Login => commands::version::login(&client, out).await,
        _ => Ok(()),
    }
}

fn block<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .map_err(|e| Failure::from(anyhow::Error::from(e)))?
        .block_on(work)
}
