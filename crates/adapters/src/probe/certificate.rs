//! The certificate served is valid for long enough.

use stead_core::time::{Span, Time};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{Found, Miss, Prober, Stage};

const DAY: i64 = 86_400_000;

impl Prober {
    pub(super) async fn certificate(
        &self,
        host: &str,
        port: u16,
        days: u32,
        verify: bool,
        limit: Span,
        stage: &Stage,
    ) -> Found {
        let stream = self.connect(host, port, limit, stage).await?;
        let session = self.tls.open(stream, host, verify, stage).await?;
        let leaf = session
            .get_ref()
            .1
            .peer_certificates()
            .and_then(|chain| chain.first());
        let leaf = leaf.ok_or_else(|| Miss::Failed("no certificate was served".into()))?;
        let (_, certificate) = X509Certificate::from_der(leaf)
            .map_err(|error| Miss::Failed(format!("unreadable certificate: {error}")))?;
        let validity = certificate.validity();
        let instant = |seconds: i64| Time(seconds.saturating_mul(1000));
        judge(
            now(),
            instant(validity.not_before.timestamp()),
            instant(validity.not_after.timestamp()),
            days,
        )
    }
}

fn now() -> Time {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Time(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Whole days only: a certificate with 13.9 days left has 13.
fn judge(now: Time, not_before: Time, not_after: Time, days: u32) -> Found {
    let day = not_after.day();
    if now < not_before {
        return Err(Miss::Failed(format!(
            "not valid before {not_before}: is this node's clock right?"
        )));
    }
    if now >= not_after {
        return Err(Miss::Failed(format!(
            "expired on {day}, {} days ago",
            (now.0 - not_after.0) / DAY
        )));
    }
    let left = (not_after.0 - now.0) / DAY;
    let text = format!("valid until {day}, {left} days left");
    if left >= i64::from(days) {
        Ok(text)
    } else {
        Err(Miss::Failed(format!("{text}, fewer than {days}: renew it")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_left_are_whole_and_both_ends_count() {
        let at = |day: i64| Time(day * DAY);
        assert!(judge(at(10), at(0), at(24), 14).is_ok());
        assert!(judge(Time(at(10).0 + 1), at(0), at(24), 14).is_err());
        assert!(
            judge(at(24), at(0), at(24), 0)
                .unwrap_err()
                .to_string()
                .starts_with("expired on 1970-01-25, 0 days")
        );
        assert!(
            judge(at(0), at(1), at(24), 0)
                .unwrap_err()
                .to_string()
                .contains("clock")
        );
    }
}
