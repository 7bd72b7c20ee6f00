//! What is asked: parameters of the address and of a form, several of one name, times and lengths of time as Prometheus
//! writes them.

use std::time::Duration;

use axum::extract::{Form, FromRequest, Query, Request};
use http::Method;
use stead_core::time::{Span, Time};
use stead_history::selector;
use stead_ports::history::Selector;

use super::answer::Refusal;

/// Selectors of one question.
const SELECTORS: usize = 64;
/// Times beyond are nobody's: the years before 1 and after 9999.
const FARTHEST: f64 = 253_402_300_800.0;

/// Parameters in the order they were given, those of the address first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Asked {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Asked, Refusal> {
        let address = Query::<Vec<(String, String)>>::try_from_uri(request.uri());
        let Query(mut all) = address.map_err(|e| Refusal::bad_data(e.body_text()))?;
        if request.method() == Method::POST {
            let form = Form::<Vec<(String, String)>>::from_request(request, state).await;
            let Form(more) = form.map_err(|e| Refusal::bad_data(e.body_text()))?;
            all.extend(more);
        }
        Ok(Asked(all))
    }
}

impl Asked {
    /// The first value of that name that is not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let named = self.0.iter().filter(|(key, _)| key == name);
        named
            .map(|(_, value)| value.as_str())
            .find(|value| !value.is_empty())
    }

    pub fn must(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name)
            .ok_or_else(|| Refusal::bad_data(format!("the parameter {name:?} is missing")))
    }

    pub fn time(&self, name: &str) -> Result<Option<Time>, Refusal> {
        let told = self.get(name).map(|text| {
            time(text).ok_or_else(|| wrong(name, text, "seconds since 1970 or an RFC 3339 time"))
        });
        told.transpose()
    }

    pub fn span(&self, name: &str) -> Result<Option<Span>, Refusal> {
        let told = self.get(name).map(|text| {
            span(text).ok_or_else(|| wrong(name, text, "seconds or a length of time like 1m30s"))
        });
        told.transpose()
    }

    /// How many are wanted at most; zero and nothing mean all.
    pub fn limit(&self) -> Result<usize, Refusal> {
        let Some(text) = self.get("limit") else {
            return Ok(usize::MAX);
        };
        match text.parse() {
            Ok(0) => Ok(usize::MAX),
            Ok(limit) => Ok(limit),
            Err(_) => Err(wrong("limit", text, "a whole number")),
        }
    }

    /// How long it may take, where that is said.
    pub fn timeout(&self) -> Result<Option<Duration>, Refusal> {
        let span = self.span("timeout")?;
        Ok(span.map(|span| Duration::from_millis(span.0)))
    }

    /// Every `match[]`.
    pub fn selectors(&self) -> Result<Vec<Selector>, Refusal> {
        let named = self.0.iter().filter(|(key, _)| key == "match[]");
        let texts: Vec<&String> = named.map(|(_, value)| value).collect();
        if texts.len() > SELECTORS {
            return Err(Refusal::bad_data(format!(
                "{SELECTORS} selectors are the most"
            )));
        }
        let read = |text: &String| Ok(selector::read_wide(text)?);
        texts.into_iter().map(read).collect()
    }
}

fn wrong(name: &str, text: &str, wanted: &str) -> Refusal {
    let text: String = text.chars().take(80).collect();
    Refusal::bad_data(format!(
        "the parameter {name:?} is {text:?}, and must be {wanted}"
    ))
}

fn time(text: &str) -> Option<Time> {
    if let Ok(seconds) = text.parse::<f64>() {
        let near = seconds.is_finite() && seconds.abs() <= FARTHEST;
        return near.then(|| Time((seconds * 1_000.0).round() as i64));
    }
    text.parse().ok()
}

fn span(text: &str) -> Option<Span> {
    if let Ok(seconds) = text.parse::<f64>() {
        let fits = seconds.is_finite() && (0.0..=FARTHEST).contains(&seconds);
        return fits.then(|| Span((seconds * 1_000.0).round() as u64));
    }
    // Years are Prometheus' alone: 365 days.
    let (years, rest) = match text.split_once('y') {
        Some((years, rest)) => (years.parse::<u64>().ok()?, rest),
        None => (0, text),
    };
    let rest = if rest.is_empty() && years > 0 {
        Span::ZERO
    } else {
        rest.parse().ok()?
    };
    let years = years.checked_mul(365 * 86_400_000)?;
    Some(Span(years.checked_add(rest.0)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_rfc_3339() {
        assert_eq!(time("1435781451.781"), Some(Time(1_435_781_451_781)));
        assert_eq!(time("-1"), Some(Time(-1_000)));
        assert_eq!(
            time("2015-07-01T20:10:51.781Z"),
            Some(Time(1_435_781_451_781))
        );
        assert_eq!(
            time("2015-07-01T22:10:51.781+02:00"),
            Some(Time(1_435_781_451_781))
        );
        for bad in ["", "soon", "NaN", "+Inf", "1e300"] {
            assert_eq!(time(bad), None, "{bad}");
        }
    }

    #[test]
    fn steps_are_seconds_or_lengths_of_time() {
        assert_eq!(span("15"), Some(Span::secs(15)));
        assert_eq!(span("0.25"), Some(Span(250)));
        assert_eq!(span("1m30s"), Some(Span::secs(90)));
        assert_eq!(span("1y"), Some(Span::days(365)));
        assert_eq!(span("1y1d"), Some(Span::days(366)));
        for bad in ["", "-1", "often", "y", "NaN"] {
            assert_eq!(span(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_parameter_may_be_given_several_times() {
        let asked = Asked(
            [("match[]", "up"), ("match[]", "{a!=\"\"}"), ("start", "1")]
                .map(|(a, b)| (a.to_owned(), b.to_owned()))
                .into(),
        );
        assert_eq!(asked.selectors().unwrap().len(), 2);
        assert_eq!(asked.time("start").unwrap(), Some(Time(1_000)));
        assert_eq!(asked.time("end").unwrap(), None);
        assert_eq!(asked.limit().unwrap(), usize::MAX);
    }

    #[test]
    fn selectors_are_counted() {
        let many = |count: usize| {
            let one = ("match[]".to_owned(), "up".to_owned());
            Asked(vec![one; count]).selectors().map(|all| all.len())
        };
        assert_eq!(many(SELECTORS), Ok(SELECTORS));
        let why = many(SELECTORS + 1).expect_err("one too many");
        assert_eq!(why, Refusal::bad_data("64 selectors are the most"));
    }
}
