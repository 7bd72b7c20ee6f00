//! A service's definition as the engine wants it. Pure; every field is checked before anything is touched.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, HostConfig, PortBinding, PortMap, RestartPolicy, RestartPolicyNameEnum,
};
use stead_core::desired::{ContainerDef, DEFINITION_LABEL};
use stead_core::ids::ServiceName;

/// Label that names the service a container was created for.
pub const SERVICE_LABEL: &str = "stead.service";

/// A field of a definition the engine could not act on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {text:?}: {why}")]
pub struct Invalid {
    pub field: &'static str,
    pub text: String,
    pub why: &'static str,
}

fn invalid(field: &'static str, text: &str, why: &'static str) -> Invalid {
    Invalid {
        field,
        text: text.chars().take(120).collect(),
        why,
    }
}

/// What to send to the engine's *create*.
pub fn body(
    service: &ServiceName,
    definition: &ContainerDef,
) -> Result<ContainerCreateBody, Invalid> {
    if definition.image.is_empty()
        || definition.image.starts_with('-')
        || has_space(&definition.image)
    {
        return Err(invalid(
            "image",
            &definition.image,
            "it is not an image reference",
        ));
    }
    let (exposed, bindings) = ports(&definition.ports)?;
    let mut labels: HashMap<String, String> = definition
        .labels
        .iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    labels.insert(DEFINITION_LABEL.into(), definition.digest());
    labels.insert(SERVICE_LABEL.into(), service.to_string());
    let host = HostConfig {
        binds: some(volumes(&definition.volumes)?),
        port_bindings: (!bindings.is_empty()).then_some(bindings),
        restart_policy: definition.restart.as_deref().map(restart).transpose()?,
        memory: definition.mem_limit.map(memory).transpose()?,
        network_mode: definition
            .network_mode
            .as_deref()
            .map(network)
            .transpose()?,
        ..HostConfig::default()
    };
    Ok(ContainerCreateBody {
        image: Some(definition.image.clone()),
        cmd: definition.command.clone(),
        env: some(environment(definition)?),
        user: definition.user.clone(),
        labels: Some(labels),
        exposed_ports: some(exposed),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    })
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn has_space(text: &str) -> bool {
    text.chars().any(|c| c.is_whitespace() || c.is_control())
}

fn environment(definition: &ContainerDef) -> Result<Vec<String>, Invalid> {
    let variable = |(key, value): (&String, &String)| {
        if key.is_empty() || key.contains('=') || has_space(key) || key.contains('\0') {
            return Err(invalid("environment", key, "it is not a variable's name"));
        }
        Ok(format!("{key}={value}"))
    };
    definition.environment.iter().map(variable).collect()
}

fn memory(bytes: u64) -> Result<i64, Invalid> {
    const LEAST: u64 = 6 * 1024 * 1024;
    if bytes < LEAST {
        return Err(invalid(
            "mem_limit",
            &bytes.to_string(),
            "the engine refuses less than 6 MiB",
        ));
    }
    i64::try_from(bytes).map_err(|_| invalid("mem_limit", &bytes.to_string(), "it is too large"))
}

fn network(mode: &str) -> Result<String, Invalid> {
    if mode.is_empty() || mode.starts_with('-') || mode.contains('/') || has_space(mode) {
        return Err(invalid(
            "network_mode",
            mode,
            "write bridge, host, none, container:NAME or a network's name",
        ));
    }
    Ok(mode.to_owned())
}

/// `no`, `always`, `unless-stopped`, `on-failure[:N]`.
fn restart(text: &str) -> Result<RestartPolicy, Invalid> {
    let why = "write no, always, unless-stopped, on-failure or on-failure:N";
    let (word, count) = text
        .split_once(':')
        .map_or((text, None), |(word, count)| (word, Some(count)));
    let name = match (word, count) {
        ("no", None) => RestartPolicyNameEnum::NO,
        ("always", None) => RestartPolicyNameEnum::ALWAYS,
        ("unless-stopped", None) => RestartPolicyNameEnum::UNLESS_STOPPED,
        ("on-failure", _) => RestartPolicyNameEnum::ON_FAILURE,
        _ => return Err(invalid("restart", text, why)),
    };
    let count = count.map(|n| {
        n.parse::<i64>()
            .ok()
            .filter(|n| *n > 0)
            .ok_or_else(|| invalid("restart", text, why))
    });
    Ok(RestartPolicy {
        name: Some(name),
        maximum_retry_count: count.transpose()?,
    })
}

/// `SOURCE:TARGET[:MODE]`; the source is an absolute path or a volume's name.
fn volumes(list: &[String]) -> Result<Vec<String>, Invalid> {
    let one = |text: &String| {
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, mode) = match parts[..] {
            [source, target] => (source, target, None),
            [source, target, mode] => (source, target, Some(mode)),
            _ => {
                return Err(invalid(
                    "volumes",
                    text,
                    "write SOURCE:TARGET or SOURCE:TARGET:ro",
                ));
            }
        };
        let climbs = |path: &str| path.split('/').any(|part| part == "..");
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if !target.starts_with('/') || climbs(target) {
            return Err(invalid(
                "volumes",
                text,
                "the target must be an absolute path",
            ));
        }
        let is_name =
            source.starts_with(|c: char| c.is_ascii_alphanumeric()) && source.chars().all(named);
        if !(source.starts_with('/') && !climbs(source) || is_name && source != "..") {
            return Err(invalid(
                "volumes",
                text,
                "the source must be an absolute path or a volume's name",
            ));
        }
        let known = |word: &str| matches!(word, "ro" | "rw" | "z" | "Z");
        if mode.is_some_and(|mode| !mode.split(',').all(known)) {
            return Err(invalid("volumes", text, "the mode must be ro or rw"));
        }
        Ok(text.clone())
    };
    list.iter().map(one).collect()
}

/// `[[IP:]HOST:]CONTAINER[/PROTOCOL]`.
fn ports(list: &[String]) -> Result<(Vec<String>, PortMap), Invalid> {
    let mut exposed = Vec::new();
    let mut bindings = PortMap::new();
    for text in list {
        let why =
            "write CONTAINER, HOST:CONTAINER or IP:HOST:CONTAINER, with /udp where it is not TCP";
        let bad = || invalid("ports", text, why);
        let (rest, protocol) = text.rsplit_once('/').unwrap_or((text, "tcp"));
        if !matches!(protocol, "tcp" | "udp" | "sctp") {
            return Err(bad());
        }
        let (rest, inside) = match rest.rsplit_once(':') {
            Some((rest, inside)) => (Some(rest), inside),
            None => (None, rest),
        };
        let (ip, host) = match rest.map(|rest| rest.rsplit_once(':').unwrap_or(("", rest))) {
            Some((ip, host)) => (ip.trim_start_matches('[').trim_end_matches(']'), host),
            None => ("", ""),
        };
        let number = |port: &str| port.parse::<u16>().ok().filter(|port| *port > 0);
        if number(inside).is_none() || (!host.is_empty() && number(host).is_none()) {
            return Err(bad());
        }
        if !ip.is_empty() && ip.parse::<std::net::IpAddr>().is_err() {
            return Err(bad());
        }
        let key = format!("{inside}/{protocol}");
        let binding = PortBinding {
            host_ip: (!ip.is_empty()).then(|| ip.to_owned()),
            host_port: (!host.is_empty()).then(|| host.to_owned()),
        };
        bindings
            .entry(key.clone())
            .or_default()
            .get_or_insert_default()
            .push(binding);
        if !exposed.contains(&key) {
            exposed.push(key);
        }
    }
    Ok((exposed, bindings))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> ServiceName {
        ServiceName::new("web").expect("a name")
    }

    fn definition() -> ContainerDef {
        ContainerDef {
            image: "web:1".into(),
            ..ContainerDef::default()
        }
    }

    #[test]
    fn every_field_of_a_definition_arrives() {
        let definition = ContainerDef {
            command: Some(vec!["serve".into()]),
            ports: vec![
                "127.0.0.1:8080:80".into(),
                "53:53/udp".into(),
                "[::1]:9:9".into(),
                "7".into(),
            ],
            volumes: vec!["/srv/web:/data:ro".into(), "cache:/cache".into()],
            environment: [("A".to_owned(), "b=c".to_owned())].into(),
            restart: Some("on-failure:3".into()),
            mem_limit: Some(64 << 20),
            user: Some("1000:1000".into()),
            network_mode: Some("host".into()),
            ..definition()
        };
        let body = body(&service(), &definition).expect("valid");
        let host = body.host_config.expect("host");
        let bindings = host.port_bindings.expect("ports");
        let first = |port: &str| bindings[port].as_ref().expect("bindings")[0].clone();
        assert_eq!(first("80/tcp").host_ip.as_deref(), Some("127.0.0.1"));
        assert_eq!(first("53/udp").host_port.as_deref(), Some("53"));
        assert_eq!(first("9/tcp").host_ip.as_deref(), Some("::1"));
        assert_eq!(first("7/tcp").host_port, None);
        assert_eq!(host.memory, Some(64 << 20));
        assert_eq!(
            host.restart_policy.expect("policy").maximum_retry_count,
            Some(3)
        );
        assert_eq!(host.binds.expect("binds").len(), 2);
        assert_eq!(body.env.expect("env"), ["A=b=c"]);
        assert_eq!(
            body.labels.expect("labels")[DEFINITION_LABEL],
            definition.digest()
        );
    }

    #[test]
    fn what_could_reach_outside_or_means_nothing_is_refused() {
        let with = |change: fn(&mut ContainerDef)| {
            let mut definition = definition();
            change(&mut definition);
            body(&service(), &definition)
                .expect_err("must be refused")
                .field
        };
        assert_eq!(with(|d| d.image = "--privileged".into()), "image");
        assert_eq!(with(|d| d.volumes = vec!["../etc:/etc".into()]), "volumes");
        assert_eq!(
            with(|d| d.volumes = vec!["/srv/../etc:/etc".into()]),
            "volumes"
        );
        assert_eq!(
            with(|d| d.volumes = vec!["/srv:/etc:suid".into()]),
            "volumes"
        );
        assert_eq!(with(|d| d.ports = vec!["80:http".into()]), "ports");
        assert_eq!(with(|d| d.ports = vec!["0".into()]), "ports");
        assert_eq!(with(|d| d.ports = vec!["localhost:80:80".into()]), "ports");
        assert_eq!(with(|d| d.restart = Some("sometimes".into())), "restart");
        assert_eq!(with(|d| d.mem_limit = Some(1)), "mem_limit");
        assert_eq!(
            with(|d| d.network_mode = Some("a b".into())),
            "network_mode"
        );
        assert_eq!(
            with(|d| drop(d.environment.insert("A=B".into(), "c".into()))),
            "environment"
        );
    }
}
