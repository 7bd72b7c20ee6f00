//! What a query will look at, found before it is evaluated: which series, from when to when, how finely, how often.

use stead_ports::history::{Error, Selector};
use tsink::promql::ast::{AggregationOp, AtModifier, Expr, SubqueryExpr, VectorSelector};

use super::rewrite::Rewritten;
use super::{When, refused};

/// How far an instant looks back: the library's, as Prometheus'.
const LOOK_BACK: i64 = 5 * 60_000;
/// Of a subquery that does not say.
const SUBQUERY_STEP: i64 = 60_000;
/// Selectors of a query.
const SELECTORS: usize = 64;

/// One selector's.
#[derive(Debug, Clone, PartialEq)]
pub struct Demand {
    /// As the query calls it.
    pub metric: String,
    /// Whether the query says which metric it means.
    pub named: bool,
    pub selector: Selector,
    pub from: i64,
    pub to: i64,
    /// Samples further apart would be missed.
    pub spacing: i64,
    /// Milliseconds looked at each time.
    pub window: u64,
    /// How often it is looked at.
    pub times: u64,
}

impl Demand {
    /// Milliseconds.
    pub fn length(&self) -> u64 {
        self.to.saturating_sub(self.from).max(0) as u64
    }
}

/// Instants at which a part of the query is evaluated.
#[derive(Debug, Clone, Copy)]
struct Instants {
    from: i64,
    to: i64,
    times: u64,
}

/// What the rewritten query looks at, and whether what it comes to is still the metric it began with.
pub fn demands(query: &Rewritten, when: When) -> Result<(Vec<Demand>, bool), Error> {
    let expr = tsink::promql::parse(&query.text)
        .map_err(|error| Error::Query(query.original(&error.to_string())))?;
    let mut walk = Walk {
        query,
        when,
        found: Vec::new(),
    };
    let times = (when.to - when.from).checked_div(when.step).unwrap_or(0) as u64 + 1;
    let instants = Instants {
        from: when.from,
        to: when.to,
        times,
    };
    walk.walk(&expr, instants)?;
    Ok((walk.found, keeps_name(&expr)))
}

/// Whether the metric's name stays, as in Prometheus; the library leaves it to what is no longer that metric.
fn keeps_name(expr: &Expr) -> bool {
    match expr {
        Expr::VectorSelector(_) | Expr::MatrixSelector(_) => true,
        Expr::Paren(inner) => keeps_name(inner),
        Expr::Subquery(subquery) => keeps_name(&subquery.expr),
        Expr::Binary(binary) => {
            let picks = binary.op.is_comparison() && !binary.return_bool;
            (picks || binary.op.is_set()) && (keeps_name(&binary.lhs) || keeps_name(&binary.rhs))
        }
        Expr::Aggregation(aggregation) => {
            use AggregationOp::{BottomK, LimitK, LimitRatio, TopK};
            let picks = matches!(aggregation.op, TopK | BottomK | LimitK | LimitRatio);
            picks && keeps_name(&aggregation.expr)
        }
        Expr::Call(call) => {
            let same = [
                "last_over_time",
                "sort",
                "sort_desc",
                "sort_by_label",
                "sort_by_label_desc",
            ];
            // These may set it themselves.
            let labels = ["label_replace", "label_join"];
            let kept = || call.args.first().is_some_and(keeps_name);
            labels.contains(&call.func.as_str()) || (same.contains(&call.func.as_str()) && kept())
        }
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Unary(_) => false,
    }
}

struct Walk<'a> {
    query: &'a Rewritten,
    when: When,
    found: Vec<Demand>,
}

impl Walk<'_> {
    fn walk(&mut self, expr: &Expr, at: Instants) -> Result<(), Error> {
        match expr {
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) => Ok(()),
            Expr::Paren(inner) => self.walk(inner, at),
            Expr::Unary(unary) => self.walk(&unary.expr, at),
            Expr::Binary(binary) => {
                let before = self.found.len();
                self.walk(&binary.lhs, at)?;
                let between = self.found.len();
                self.walk(&binary.rhs, at)?;
                let nameless = self.found[before..].iter().any(|found| !found.named);
                if nameless && between > before && self.found.len() > between {
                    return Err(refused(
                        "two sides can only be matched where each selector names its metric",
                    ));
                }
                Ok(())
            }
            Expr::Aggregation(aggregation) => {
                let before = self.found.len();
                if let Some(param) = &aggregation.param {
                    self.walk(param, at)?;
                }
                self.walk(&aggregation.expr, at)?;
                let without = aggregation.grouping.as_ref().is_some_and(|by| by.without);
                if without && self.found[before..].iter().any(|found| !found.named) {
                    return Err(refused("`without` needs selectors that name their metric"));
                }
                Ok(())
            }
            Expr::Call(call) if call.func == "info" => Err(refused("info() is not there")),
            Expr::Call(call) => call.args.iter().try_for_each(|arg| self.walk(arg, at)),
            Expr::VectorSelector(vector) => self.see(vector, None, at),
            Expr::MatrixSelector(matrix) => self.see(&matrix.vector, Some(matrix.range), at),
            Expr::Subquery(subquery) => self.subquery(subquery, at),
        }
    }

    /// Instants moved by an offset or fixed by `@`.
    fn moved(&self, at: Instants, fixed: Option<&AtModifier>, offset: i64) -> Instants {
        let fixed = fixed.map(|fixed| match fixed {
            AtModifier::Start => self.when.from,
            AtModifier::End => self.when.to,
            AtModifier::Timestamp(seconds) => (seconds * 1000.0) as i64,
        });
        Instants {
            from: fixed.unwrap_or(at.from).saturating_sub(offset),
            to: fixed.unwrap_or(at.to).saturating_sub(offset),
            times: at.times,
        }
    }

    fn subquery(&mut self, subquery: &SubqueryExpr, at: Instants) -> Result<(), Error> {
        let at = self.moved(at, subquery.at.as_ref(), subquery.offset);
        let step = subquery.step.unwrap_or(SUBQUERY_STEP).max(1);
        let inner = Instants {
            from: at.from.saturating_sub(subquery.range),
            to: at.to,
            times: at
                .times
                .saturating_mul((subquery.range / step).max(0) as u64 + 1),
        };
        self.walk(&subquery.expr, inner)
    }

    fn see(
        &mut self,
        vector: &VectorSelector,
        range: Option<i64>,
        at: Instants,
    ) -> Result<(), Error> {
        let Some(metric) = vector.metric_name.clone() else {
            return Err(refused("a selector needs a name or braces"));
        };
        if self.found.len() >= SELECTORS {
            return Err(refused("it has more than 64 selectors"));
        }
        let at = self.moved(at, vector.at.as_ref(), vector.offset);
        let window = range.unwrap_or(LOOK_BACK).max(1);
        // Half a window apart there are always two samples in it; and nobody sees more than one a step.
        let spacing = match range {
            Some(range) => range / 4,
            None => (LOOK_BACK / 2).min(self.when.step.max(1_000)),
        };
        self.found.push(Demand {
            selector: self.query.selector(&metric),
            named: self.query.names(&metric),
            metric,
            from: at.from.saturating_sub(window),
            to: at.to.saturating_add(1),
            spacing: spacing.max(1),
            window: window as u64,
            times: at.times,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::rewrite::rewrite;

    const HOUR: i64 = 3_600_000;

    fn of(query: &str) -> Result<Vec<Demand>, Error> {
        let when = When {
            from: 100 * HOUR,
            to: 110 * HOUR,
            step: HOUR / 10,
        };
        Ok(demands(&rewrite(query, when)?, when)?.0)
    }

    #[test]
    fn windows_reach_as_far_as_the_query_looks() {
        let one = |query: &str| {
            let demand = of(query).unwrap().pop().unwrap();
            (
                demand.from - 100 * HOUR,
                demand.to - 110 * HOUR,
                demand.times,
            )
        };
        assert_eq!(one("up"), (-LOOK_BACK, 1, 101));
        assert_eq!(
            one("rate(a_total[2h] offset 1h)"),
            (-3 * HOUR, 1 - HOUR, 101)
        );
        assert_eq!(one("up offset -1h"), (HOUR - LOOK_BACK, HOUR + 1, 101));
        assert_eq!(
            one("max_over_time(rate(a_total[1h])[3h:1h])"),
            (-4 * HOUR, 1, 404)
        );
        assert_eq!(one("sum(up @ 360000)"), (-LOOK_BACK, 1 - 10 * HOUR, 101));
    }

    #[test]
    fn every_selector_is_found_and_nonsense_is_told() {
        assert_eq!(
            of("sum(a{b=\"c\"}) / on (d) topk(3, e) + 1").unwrap().len(),
            2
        );
        for bad in [
            "sum(",
            "a +",
            "nosuch(up)[",
            "a b",
            "rate(up[5m]",
            "info(up)",
        ] {
            assert_eq!(
                of(bad).map(|found| found.len()).unwrap_err().code(),
                "history-query",
                "{bad}"
            );
        }
    }
}
