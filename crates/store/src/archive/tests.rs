use super::*;
use crate::export::store_row;

fn rows(count: u64) -> Vec<Row> {
    (0..count).map(store_row).collect()
}

fn lines(path: &Path) -> Vec<Row> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn days_have_dates() {
    for (day, expected) in [
        (0, "1970-01-01"),
        (-1, "1969-12-31"),
        (19_782, "2024-02-29"),
        (19_783, "2024-03-01"),
        (11_016, "2000-02-29"),
        (20_779, "2026-11-22"),
    ] {
        assert_eq!(date(day), expected);
    }
}

#[test]
fn a_line_that_was_cut_off_is_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("expired-1970-01-02.jsonl");
    let now = Time(DAY_MS + 1);
    let mut archive = Archive::open(folder.path()).unwrap();
    archive.keep(now, &rows(2)).unwrap();
    archive.keep(now, &rows(1)).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for cut in [1, 10, whole.len() - 3] {
        std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        let mut archive = Archive::open(folder.path()).unwrap();
        archive.keep(now, &rows(3)).unwrap();
        let found = lines(&path);
        assert_eq!(&found[found.len() - 3..], &rows(3)[..], "cut off by {cut}");
    }
}

#[test]
fn each_day_has_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(&folder.path().join("a/b")).unwrap();
    archive.keep(Time(0), &rows(1)).unwrap();
    archive.keep(Time(DAY_MS), &rows(2)).unwrap();
    archive.keep(Time(0), &rows(1)).unwrap();
    let file = |name: &str| lines(&folder.path().join("a/b").join(name)).len();
    assert_eq!((file("expired-1970-01-01.jsonl"), file("expired-1970-01-02.jsonl")), (2, 2));
}
