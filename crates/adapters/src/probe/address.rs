//! Hosts as people write them, refused before they reach a program or a packet (S12, S13).

use super::Miss;

/// Longest name the DNS knows.
const LONGEST: usize = 253;

/// `host` if it can be one: a name or an address, in brackets or not. The reason for a refusal is for the file's owner.
pub(crate) fn host(host: &str) -> Result<&str, Miss> {
    let refuse = |why: &str| {
        let shown: String = host.chars().take(60).collect();
        Err(Miss::Unknown(format!(
            "{shown:?} is not a host ({why}): correct it in the fleet's files"
        )))
    };
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    if bare.is_empty() {
        return refuse("it is empty");
    }
    if bare.len() > LONGEST {
        return refuse("it is longer than 253 bytes");
    }
    if bare.starts_with('-') {
        return refuse("it starts with '-'");
    }
    if bare.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return refuse("it contains white space or a control character");
    }
    // Letters beyond ASCII belong to international names; `%` to a link-local address.
    if !bare
        .chars()
        .all(|c| c.is_alphanumeric() || "._-:%".contains(c))
    {
        return refuse("it contains a character no host has");
    }
    Ok(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_could_become_an_option_or_a_second_line_are_refused() {
        for bad in [
            "",
            "-oProxyCommand=x",
            "a b",
            "a\nb",
            "a;b",
            "$(id)",
            "a/b",
            "[]",
            "a@b",
            &"x".repeat(300),
        ] {
            assert!(matches!(host(bad), Err(Miss::Unknown(_))), "{bad:?}");
        }
        for good in [
            "localhost",
            "10.0.0.1",
            "[::1]",
            "fe80::1%eth0",
            "münchen.example",
            "my_host-1.lan",
        ] {
            assert!(host(good).is_ok(), "{good}");
        }
        assert_eq!(host("[::1]"), Ok("::1"));
    }
}
