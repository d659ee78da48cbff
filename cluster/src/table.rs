//! Rows by namespace and name, with an index by the one thing that owns a row.

use std::collections::{BTreeMap, BTreeSet};

/// Rows of one kind. What is large is kept in a box: nodes of trees have room for more rows than they have.
#[derive(Clone, Debug)]
pub(crate) struct Table<T> {
    rows: BTreeMap<String, BTreeMap<String, Row<T>>>,
    owned: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
    owner: fn(&T) -> Option<&str>,
    /// How many were put so far.
    arrivals: u64,
}

#[derive(Clone, Debug)]
struct Row<T> {
    version: u64,
    /// Another one for each time that a row is put, whatever its version says.
    arrival: u64,
    value: T,
}

impl<T> Table<T> {
    /// An empty table; `owner` names what owns a row, in the row's namespace.
    pub(crate) fn new(owner: fn(&T) -> Option<&str>) -> Self {
        Self { rows: BTreeMap::new(), owned: BTreeMap::new(), owner, arrivals: 0 }
    }

    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<&T> {
        self.rows.get(namespace)?.get(name).map(|row| &row.value)
    }

    /// The version of a row.
    pub(crate) fn version(&self, namespace: &str, name: &str) -> Option<u64> {
        self.rows.get(namespace)?.get(name).map(|row| row.version)
    }

    /// Which arrival a row is of: whatever is put, here or elsewhere in the table, has another one.
    pub(crate) fn arrival(&self, namespace: &str, name: &str) -> Option<u64> {
        self.rows.get(namespace)?.get(name).map(|row| row.arrival)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &T> {
        self.rows.values().flat_map(BTreeMap::values).map(|row| &row.value)
    }

    pub(crate) fn in_namespace(&self, namespace: &str) -> impl Iterator<Item = &T> {
        self.rows.get(namespace).into_iter().flat_map(BTreeMap::values).map(|row| &row.value)
    }

    /// The rows of an owner, with their names.
    pub(crate) fn owned_by(&self, namespace: &str, owner: &str) -> impl Iterator<Item = (&str, &T)> {
        let names = self.owned.get(namespace).and_then(|owners| owners.get(owner));
        let rows = self.rows.get(namespace);
        names.into_iter().flatten().filter_map(move |name| Some((name.as_str(), &rows?.get(name)?.value)))
    }

    /// The owners of a namespace, each with the names of its rows.
    pub(crate) fn owners_in(
        &self,
        namespace: &str,
    ) -> impl Iterator<Item = (&str, impl Iterator<Item = &str>)> {
        let owners = self.owned.get(namespace).into_iter().flatten();
        owners.map(|(owner, names)| (owner.as_str(), names.iter().map(String::as_str)))
    }

    /// The namespaces in which rows are owned.
    pub(crate) fn namespaces_with_owners(&self) -> impl Iterator<Item = &str> {
        self.owned.keys().map(String::as_str)
    }

    /// How many rows are owned.
    pub(crate) fn owned_count(&self) -> usize {
        self.owned.values().flat_map(BTreeMap::values).map(BTreeSet::len).sum()
    }

    /// Puts a row in place, unless what is there is as new or newer. Says whether anything changed.
    ///
    /// Version 0 stands for one that is not a number; it is always taken.
    pub(crate) fn put(&mut self, namespace: &str, name: &str, version: u64, value: T) -> bool {
        let present = self.rows.get(namespace).and_then(|rows| rows.get(name));
        if version != 0 && present.is_some_and(|row| row.version >= version) {
            return false;
        }
        self.remove(namespace, name);
        if let Some(owner) = (self.owner)(&value) {
            let owners = self.owned.entry(namespace.to_owned()).or_default();
            owners.entry(owner.to_owned()).or_default().insert(name.to_owned());
        }
        let rows = self.rows.entry(namespace.to_owned()).or_default();
        self.arrivals += 1;
        rows.insert(name.to_owned(), Row { version, arrival: self.arrivals, value });
        true
    }

    /// Takes a row away, unless what is there is newer than the deletion.
    pub(crate) fn delete(&mut self, namespace: &str, name: &str, version: u64) -> bool {
        let present = self.rows.get(namespace).and_then(|rows| rows.get(name));
        let newer = present.is_some_and(|row| version != 0 && row.version > version);
        present.is_some() && !newer && self.remove(namespace, name)
    }

    /// Keeps only the rows that are named, and gives back the names of the others.
    pub(crate) fn retain(&mut self, kept: &BTreeSet<(String, String)>) -> Vec<(String, String)> {
        let names = self
            .rows
            .iter()
            .flat_map(|(namespace, rows)| rows.keys().map(move |name| (namespace.clone(), name.clone())));
        let gone: Vec<_> = names.filter(|key| !kept.contains(key)).collect();
        for (namespace, name) in &gone {
            self.remove(namespace, name);
        }
        gone
    }

    fn remove(&mut self, namespace: &str, name: &str) -> bool {
        let Some(rows) = self.rows.get_mut(namespace) else { return false };
        let Some(row) = rows.remove(name) else { return false };
        if rows.is_empty() {
            self.rows.remove(namespace);
        }
        if let (Some(owner), Some(owners)) = ((self.owner)(&row.value), self.owned.get_mut(namespace)) {
            if let Some(names) = owners.get_mut(owner) {
                names.remove(name);
            }
            owners.retain(|_, names| !names.is_empty());
            if owners.is_empty() {
                self.owned.remove(namespace);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table<&'static str> {
        Table::new(|value| value.split_once('/').map(|(owner, _)| owner))
    }

    #[test]
    fn newest_wins() {
        let mut table = table();
        assert!(table.put("a", "x", 5, "o/new"));
        assert!(!table.put("a", "x", 4, "o/old"));
        assert!(!table.put("a", "x", 5, "o/same"));
        assert_eq!(table.get("a", "x"), Some(&"o/new"));
        assert!(!table.delete("a", "x", 4), "it was made again after that deletion");
        assert!(table.delete("a", "x", 6));
        assert!(!table.delete("a", "x", 7));
    }

    #[test]
    fn the_index_follows_the_rows() {
        let mut table = table();
        table.put("a", "x", 1, "one/");
        table.put("a", "y", 2, "one/");
        table.put("b", "x", 3, "one/");
        assert_eq!(table.owned_by("a", "one").count(), 2);
        table.put("a", "x", 4, "two/");
        assert_eq!((table.owned_by("a", "one").count(), table.owned_by("a", "two").count()), (1, 1));
        let gone = table.retain(&BTreeSet::from([("b".to_owned(), "x".to_owned())]));
        assert_eq!(gone.len(), 2);
        assert_eq!((table.owned_by("a", "two").count(), table.all().count()), (0, 1));
        assert!(table.rows.len() == 1 && table.owned.len() == 1, "nothing is left behind");
    }
}
