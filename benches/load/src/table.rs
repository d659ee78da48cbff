//! Figures, as a table.

use std::fmt::Display;

/// Rows of a name and a figure, printed at the end.
#[derive(Default)]
pub struct Table(Vec<(String, String)>);

impl Table {
    /// Adds a row.
    pub fn row(&mut self, name: impl Display, figure: impl Display) {
        self.0.push((name.to_string(), figure.to_string()));
    }

    /// Prints it.
    pub fn print(&self, title: &str) {
        let width = self.0.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        println!("\n{title}");
        for (name, figure) in &self.0 {
            println!("  {name:<width$}  {figure:>14}");
        }
    }
}
