//! Links between documents lead somewhere, anchors included.

use super::Text;
use std::path::Path;

pub fn check(files: &[Text], problems: &mut Vec<String>) {
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        for (number, target) in links(&file.text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
            let goal = if path.is_empty() { file.path.clone().into() } else { folder.join(path) };
            if !goal.exists() {
                problems.push(format!("{}:{number}: leads to {target}, which is not there", file.path));
            } else if !anchor.is_empty() {
                let text = std::fs::read_to_string(&goal).unwrap_or_default();
                if !anchors(&text).iter().any(|known| known == anchor) {
                    problems.push(format!(
                        "{}:{number}: leads to {target}, which has no such heading",
                        file.path
                    ));
                }
            }
        }
    }
}

/// Every `](target)` outside of code, with its line.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for part in line.split("](").skip(1) {
            if let Some((target, _)) = part.split_once(')') {
                found.push((number + 1, target.to_owned()));
            }
        }
    }
    found
}

/// The anchors that headings get: lower case, blanks to hyphens, other marks gone.
fn anchors(text: &str) -> Vec<String> {
    let slug = |heading: &str| -> String {
        let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
    };
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| slug(line.trim_start_matches('#'))).collect()
}
