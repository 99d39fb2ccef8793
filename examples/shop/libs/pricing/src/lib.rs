//! What things cost. Prices are whole cents, so that no sum is ever off by a rounding.

/// One thing on the shelf.
pub struct Article {
    pub name: &'static str,
    pub net_cents: u64,
}

pub const SHELF: [Article; 3] = [
    Article { name: "apple", net_cents: 50 },
    Article { name: "bread", net_cents: 320 },
    Article { name: "cheese", net_cents: 780 },
];

const TAX_PERCENT: u64 = 7;

/// The price with tax, rounded half up.
pub fn gross_cents(net_cents: u64) -> u64 {
    (net_cents * (100 + TAX_PERCENT) + 50) / 100
}

#[cfg(test)]
mod tests {
    use super::gross_cents;

    #[test]
    fn tax_is_added_and_rounded() {
        assert_eq!(gross_cents(0), 0);
        assert_eq!(gross_cents(50), 54);
        assert_eq!(gross_cents(320), 342);
    }
}
