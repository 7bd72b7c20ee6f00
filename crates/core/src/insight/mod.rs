//! Insight: what measured numbers mean to the owner. How good is it, where does it lead, what is out of the ordinary, and
//! what limit would fit?
//!
//! Every answer is a function of readings, settings and an instant. Where the readings do not carry an answer there is none,
//! and the reason is the answer: thin data is refused by name, never guessed over. Nothing here is logged, ordered or drawn;
//! nothing here reads a history, the caller hands over the part that is asked about.
//!
//! | module | its noun |
//! |---|---|
//! | [`score`] | the score card of a node and of the fleet |
//! | [`trend`] | a robust slope, and the projection from it |
//! | [`anomaly`] | a container that writes far above its own past |
//! | [`memory_advice`] | a memory limit that fits what was measured |
//! | [`model_fit`] | what loading a language model would leave free, and which node fits it better |
//! | [`oom_watch`] | whether a new limit holds |
//! | [`annotation`] | what happened, to draw beside numbers and to name as what came before |
//! | [`amount`] | bytes, shares and lengths of time as people read them |

pub mod amount;
pub mod annotation;
pub mod anomaly;
pub mod memory_advice;
pub mod model_fit;
pub mod oom_watch;
pub mod score;
pub mod trend;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{Span, Time};
    use alloc::string::String;
    use serde::{Serialize, de::DeserializeOwned};

    /// As it travels; it must come back as it was.
    fn json<T: Serialize + DeserializeOwned + PartialEq + core::fmt::Debug>(value: &T) -> String {
        let text = serde_json::to_string(value).expect("json");
        assert_eq!(&serde_json::from_str::<T>(&text).expect("back"), value);
        text
    }

    #[test]
    fn every_answer_travels_as_an_object_that_names_itself() {
        let within = trend::Projection::Within {
            earliest: Span::days(9),
            latest: Span::days(14),
        };
        assert_eq!(
            json(&within),
            r#"{"answer":"within","earliest":777600000,"latest":1209600000}"#
        );
        let few = trend::Refusal::TooFew { have: 3, need: 12 };
        assert_eq!(json(&few), r#"{"why":"too_few","have":3,"need":12}"#);
        assert!(json(&few).contains(few.word()));
        assert_eq!(
            json(&trend::Bound::RisesTo(55.0)),
            r#"{"when":"rises_to","bound":55.0}"#
        );
        let silent = anomaly::Verdict::Unjudged {
            why: anomaly::Thin::Silent {
                since: Span::hours(3),
            },
        };
        assert_eq!(
            json(&silent),
            r#"{"verdict":"unjudged","why":{"kind":"silent","since":10800000}}"#
        );
        json(&anomaly::Verdict::Anomalous(anomaly::Anomaly {
            since: Time(0),
            rate: 2,
            usual: 1,
            bound: 1,
            factor: Some(2.0),
            before: None,
            full_in: None,
        }));
        let refused = memory_advice::Advice::Refused {
            why: memory_advice::Refusal::Gaps {
                percent: 10,
                need: 80,
            },
        };
        assert_eq!(
            json(&refused),
            r#"{"advice":"refused","why":{"kind":"gaps","percent":10,"need":80}}"#
        );
        json(&memory_advice::Advice::Change(
            memory_advice::Change::default(),
        ));
        json(&oom_watch::Verdict::Killed {
            at: Time(0),
            kills: 1,
        });
    }
}
