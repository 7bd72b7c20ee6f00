//! What the node's model server has in memory, asked while somebody looks. Read only.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use stead_adapters::ollama::Error;
use stead_protocol::agent::{ModelInMemory, ModelsNow};

use super::Agent;
use super::problem::Refused;

pub async fn list(State(Agent(agent)): State<Agent>) -> Result<Json<ModelsNow>, Refused> {
    let ollama = agent.ollama.as_ref();
    let ollama = ollama.ok_or_else(|| refused(&Error::NotNamed))?;
    let in_memory = ollama.in_memory().await.map_err(|error| refused(&error))?;
    Ok(Json(ModelsNow {
        in_memory: in_memory
            .into_iter()
            .map(|model| ModelInMemory {
                name: model.name,
                loaded: model.loaded,
                expires_at: model.expires_at,
            })
            .collect(),
        last_used: ollama.last_used(),
    }))
}

fn refused(error: &Error) -> Refused {
    let status = match error {
        Error::NotNamed | Error::Unreachable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Error::Hangs(_) => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::BAD_GATEWAY,
    };
    Refused::new(status, error.code(), error.to_string()).with(error.remedy())
}
