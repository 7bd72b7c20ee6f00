//! Which series there are: their numbers, their labels, and who has which label. Pure; bounded by those who add.
//!
//! Names and values are held once each, a series is pairs of their numbers. A number is never given twice.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use stead_ports::history::{Labels, NAME};

use stead_ports::history::select::Test;

/// Fingerprints are hashes already.
#[derive(Debug, Default, Clone, Copy)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only fingerprints are keys")
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

#[derive(Debug, Clone)]
struct Entry {
    /// Numbers of names and values, by name; empty for a series that is forgotten.
    labels: Box<[(u32, u32)]>,
    /// Time of its last sample.
    last: i64,
}

/// A series whose time nobody knows yet.
pub const NEVER: i64 = i64::MIN;

/// All series, by number.
#[derive(Debug, Default)]
pub struct Catalogue {
    texts: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32>,
    series: Vec<Entry>,
    by_fingerprint: HashMap<u64, u32, BuildHasherDefault<AsItIs>>,
    /// Name and value to the series that have them, in order.
    having: HashMap<(u32, u32), Vec<u32>>,
    alive: usize,
}

impl Catalogue {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.alive
    }

    /// The number that the next new series gets.
    pub fn next(&self) -> u32 {
        self.series.len() as u32
    }

    pub fn find(&self, labels: &Labels) -> Option<u32> {
        let mut key = labels.fingerprint();
        loop {
            let series = *self.by_fingerprint.get(&key)?;
            if self.is(series, labels) {
                return Some(series);
            }
            // Two that share a fingerprint stand one after the other.
            key = key.wrapping_add(1);
        }
    }

    fn is(&self, series: u32, labels: &Labels) -> bool {
        let own = &self.series[series as usize].labels;
        let text = |number: u32| &*self.texts[number as usize];
        own.len() == labels.len()
            && own
                .iter()
                .zip(labels.iter())
                .all(|((name, value), (n, v))| text(*name) == n && text(*value) == v)
    }

    /// Adds a series that is not there. Its number must not be taken; those below it that are not there never will be.
    pub fn add(&mut self, series: u32, labels: &Labels) {
        debug_assert!(self.find(labels).is_none());
        let own: Box<[(u32, u32)]> = labels
            .iter()
            .map(|(name, value)| (self.intern(name), self.intern(value)))
            .collect();
        let mut key = labels.fingerprint();
        while self.by_fingerprint.contains_key(&key) {
            key = key.wrapping_add(1);
        }
        self.by_fingerprint.insert(key, series);
        for pair in &own {
            self.having.entry(*pair).or_default().push(series);
        }
        self.reserve(series + 1);
        self.series[series as usize].labels = own;
        self.alive += 1;
    }

    /// Numbers below `upto` are given to no new series.
    pub fn reserve(&mut self, upto: u32) {
        let dead = Entry {
            labels: Box::default(),
            last: NEVER,
        };
        if self.series.len() < upto as usize {
            self.series.resize(upto as usize, dead);
        }
    }

    fn intern(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.texts.len() as u32;
        let text: Arc<str> = text.into();
        self.texts.push(Arc::clone(&text));
        self.numbers.insert(text, number);
        number
    }

    pub fn has(&self, series: u32) -> bool {
        self.series
            .get(series as usize)
            .is_some_and(|entry| !entry.labels.is_empty())
    }

    /// Time of its last sample; [`NEVER`] where there is none.
    pub fn last(&self, series: u32) -> i64 {
        let entry = self.series.get(series as usize);
        entry.map_or(NEVER, |entry| entry.last)
    }

    pub fn set_last(&mut self, series: u32, at: i64) {
        if let Some(entry) = self.series.get_mut(series as usize) {
            entry.last = at;
        }
    }

    pub fn labels(&self, series: u32) -> Labels {
        let text = |number: &u32| &*self.texts[*number as usize];
        let own = &self.series[series as usize].labels;
        Labels::from_pairs(own.iter().map(|(name, value)| (text(name), text(value))))
    }

    /// A name or a value by its number.
    pub fn text(&self, number: u32) -> &str {
        &self.texts[number as usize]
    }

    /// Adds the numbers of the names of a series' labels.
    pub fn names(&self, series: u32, to: &mut BTreeSet<u32>) {
        let own = &self.series[series as usize].labels;
        to.extend(own.iter().map(|(name, _)| *name));
    }

    /// Adds the number of the value that a series' label has.
    pub fn values(&self, label: &str, series: u32, to: &mut BTreeSet<u32>) {
        let Some(label) = self.numbers.get(label) else {
            return;
        };
        let own = &self.series[series as usize].labels;
        let value = own.iter().find(|(name, _)| name == label);
        to.extend(value.map(|(_, value)| *value));
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        let alive = |(n, entry): (usize, &Entry)| (!entry.labels.is_empty()).then_some(n as u32);
        self.series.iter().enumerate().filter_map(alive)
    }

    fn with(&self, name: &str, value: &str) -> &[u32] {
        let pair = self.numbers.get(name).zip(self.numbers.get(value));
        let having = pair.and_then(|(name, value)| self.having.get(&(*name, *value)));
        having.map_or(&[], Vec::as_slice)
    }

    pub fn of_metric(&self, metric: &str) -> &[u32] {
        self.with(NAME, metric)
    }

    /// Series that fit every test and had a sample at `from` or later, in order; `None` if they are more than `most`.
    pub fn select(&self, tests: &[Test], from: i64, most: usize) -> Option<Vec<u32>> {
        let only = |test: &Test| Some(self.with(&test.label, test.only()?));
        let fewest = tests
            .iter()
            .filter_map(only)
            .min_by_key(|having| having.len());
        let mut memory = HashMap::new();
        let mut fits = |series: &u32| {
            let entry = &self.series[*series as usize];
            entry.last >= from && self.fits(entry, tests, &mut memory)
        };
        let found: Vec<u32> = match fewest {
            Some(having) => having
                .iter()
                .copied()
                .filter(|series| fits(series))
                .take(most + 1)
                .collect(),
            None => self
                .iter()
                .filter(|series| fits(series))
                .take(most + 1)
                .collect(),
        };
        (found.len() <= most).then_some(found)
    }

    /// What a test said about a value is remembered, since many series share it.
    fn fits(
        &self,
        entry: &Entry,
        tests: &[Test],
        memory: &mut HashMap<(usize, u32), bool>,
    ) -> bool {
        tests.iter().enumerate().all(|(n, test)| {
            let pair = entry
                .labels
                .iter()
                .find(|(name, _)| *self.texts[*name as usize] == *test.label);
            match pair {
                Some((_, value)) => *memory
                    .entry((n, *value))
                    .or_insert_with(|| test.fits(&self.texts[*value as usize])),
                None => test.fits(""),
            }
        })
    }

    /// Forgets series and whatever text only they had. Takes as long as adding all the others.
    pub fn forget(&mut self, gone: &HashSet<u32>) {
        let mut kept = Catalogue::default();
        let alive: Vec<u32> = self
            .iter()
            .filter(|series| !gone.contains(series))
            .collect();
        for series in alive {
            kept.add(series, &self.labels(series));
            kept.set_last(series, self.last(series));
        }
        kept.reserve(self.next());
        *self = kept;
    }
}

#[cfg(test)]
mod tests {
    use stead_ports::history::{Op, Selector};

    use super::*;
    use stead_ports::history::select::compile;

    fn filled() -> Catalogue {
        let mut catalogue = Catalogue::default();
        for n in 0..100 {
            let labels = Labels::new(
                if n % 2 == 0 { "cpu" } else { "load" },
                [("node", ["a", "b", "c"][n % 3]), ("n", &n.to_string())],
            );
            catalogue.add(n as u32, &labels);
            catalogue.set_last(n as u32, n as i64);
        }
        catalogue
    }

    fn select(catalogue: &Catalogue, selector: &Selector) -> usize {
        let tests = compile(selector).unwrap();
        catalogue.select(&tests, NEVER, 1000).unwrap().len()
    }

    #[test]
    fn every_kind_of_matcher_selects_what_it_says() {
        let catalogue = filled();
        let cpu = Selector::metric("cpu");
        assert_eq!(select(&catalogue, &cpu), 50);
        assert_eq!(
            select(&catalogue, &cpu.clone().with("node", Op::Equal, "a")),
            17
        );
        assert_eq!(
            select(&catalogue, &cpu.clone().with("node", Op::NotEqual, "a")),
            33
        );
        assert_eq!(
            select(&catalogue, &cpu.clone().with("node", Op::Matches, "a|b")),
            33
        );
        assert_eq!(
            select(&catalogue, &cpu.clone().with("node", Op::Differs, "a|b")),
            17
        );
        assert_eq!(
            select(&catalogue, &cpu.clone().with("none", Op::Equal, "")),
            50
        );
        assert_eq!(select(&catalogue, &cpu.with("none", Op::Matches, ".+")), 0);
        let all = Selector::default().with(NAME, Op::Matches, "cpu|load");
        assert_eq!(select(&catalogue, &all), 100);
        let tests = compile(&all).unwrap();
        assert_eq!(
            catalogue.select(&tests, NEVER, 99),
            None,
            "more than asked for"
        );
        assert_eq!(catalogue.select(&tests, 90, 99).unwrap().len(), 10);
    }

    #[test]
    fn what_is_forgotten_is_gone_and_its_number_is_never_given_again() {
        let mut catalogue = filled();
        let gone: HashSet<u32> = (0..100).filter(|n| *n != 7).collect();
        let labels = catalogue.labels(99);
        catalogue.forget(&gone);
        assert_eq!((catalogue.len(), catalogue.next()), (1, 100));
        assert_eq!((catalogue.find(&labels), catalogue.last(7)), (None, 7));
        assert!(catalogue.has(7) && !catalogue.has(8));
        assert_eq!(catalogue.labels(7).get("n"), Some("7"));
        assert!(catalogue.of_metric("cpu").is_empty());
        let number = catalogue.next();
        catalogue.add(number, &labels);
        assert_eq!(catalogue.find(&labels), Some(100));
    }
}
