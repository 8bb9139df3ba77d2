//! Where settings come from, which wins, and what is refused.

use super::*;

fn flags(pairs: &[(&str, &str)]) -> Given {
    let mut given = Given::default();
    for (name, value) in pairs {
        given.flag(name, *value).expect("a known setting");
    }
    given
}

fn environment(pairs: &[(&str, &str)]) -> Given {
    Given::environment(pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())))
}

fn file(text: &str) -> Given {
    Given::text(text, Path::new("everstate.toml")).expect("a good file")
}

fn problem(given: &Given) -> String {
    Config::resolve(given, Vec::new()).expect_err("refused").to_string()
}

#[test]
fn defaults_listen_on_loopback() {
    let config = Config::resolve(&Given::default(), Vec::new()).expect("defaults are good");
    assert_eq!(config.listen.to_string(), "127.0.0.1:7400");
    assert_eq!(config.data, PathBuf::from("everstate-data"));
    assert_eq!(config.tls, None);
    assert!(!config.insecure);
}

#[test]
fn flags_beat_the_environment_which_beats_the_file() {
    let given = flags(&[("listen", "127.0.0.1:1")])
        .or(environment(&[("EVERSTATE_LISTEN", "127.0.0.1:2"), ("EVERSTATE_QUEUE_MAX", "22")]))
        .or(file("listen = \"127.0.0.1:3\"\nqueue-max = 33\nstreams_max = 44\nheader-timeout = 1.5\n"));
    let config = Config::resolve(&given, Vec::new()).expect("good");
    assert_eq!(config.listen.port(), 1);
    assert_eq!(config.queue_max, 22);
    assert_eq!(config.streams_max, 44);
    assert_eq!(config.header_timeout, Duration::from_millis(1500));
}

#[test]
fn the_environment_has_other_variables_and_empty_ones() {
    let given = environment(&[("EVERSTATE_URL", "http://x"), ("PATH", "/bin"), ("EVERSTATE_LISTEN", "")]);
    assert_eq!(given, Given::default());
}

#[test]
fn values_are_checked_and_the_message_says_where_from() {
    assert_eq!(
        problem(&environment(&[("EVERSTATE_QUEUE_MAX", "many")])),
        "queue-max (environment) is not usable: \"many\"; use a whole number from 1 to 16777216"
    );
    assert_eq!(
        problem(&file("engine = \"postgres\"")),
        "engine (in everstate.toml:1:1) is not usable: \"postgres\"; use embedded or memory"
    );
    for (name, value) in [
        ("listen", "example.org:80"),
        ("listen", "7400"),
        ("insecure", "perhaps"),
        ("header-timeout", "-1"),
        ("header-timeout", "NaN"),
        ("stop-timeout", "1e300"),
        ("streams-max", "0"),
        ("request-bytes-max", "99999999999999999999"),
        ("log", "everstate=loud"),
        ("log-format", "xml"),
    ] {
        assert!(problem(&flags(&[(name, value)])).starts_with(&format!("{name} (flag)")), "{name}={value}");
    }
}

#[test]
fn unknown_settings_are_refused_with_the_nearest() {
    let path = Path::new("e.toml");
    let error = Given::text("tls-certs = \"x\"", path).expect_err("unknown").to_string();
    assert_eq!(error, "there is no setting \"tls-certs\" (in e.toml:1:1); did you mean tls-cert?");
    let error = Given::text("listen: 127.0.0.1:1\nqueues-max: 1\ntoken: x\n", Path::new("e.yaml"));
    assert_eq!(
        error.expect_err("unknown").to_string(),
        "there is no setting \"queues-max\" (in e.yaml:2:1); did you mean queue-max?\n\
         there is no setting \"token\" (in e.yaml:3:1); did you mean tokens?"
    );
    assert!(Given::text("listen = [1]", path).is_err());
    assert!(Given::text("listen = ", path).expect_err("not TOML").to_string().contains("it is not TOML"));
    assert!(Given::default().flag("nonsense", "1").is_err());
}

#[test]
fn beyond_loopback_takes_guards_or_the_word() {
    let beyond = ("listen", "0.0.0.0:7400");
    let tls = [("tls-cert", "c.pem"), ("tls-key", "k.pem")];
    let refused = |more: &[(&str, &str)]| problem(&flags(&[&[beyond], more].concat()));
    let taken =
        |more: &[(&str, &str)]| Config::resolve(&flags(&[&[beyond], more].concat()), Vec::new()).is_ok();

    assert!(refused(&[]).contains("beyond this machine, is refused: everybody could reach it"));
    assert!(refused(&[("tokens", "t")]).contains("the tokens would travel in the open"));
    assert!(refused(&tls).contains("nobody is asked who they are"));
    assert!(taken(&[tls[0], tls[1], ("tokens", "t")]));
    assert!(taken(&[tls[0], tls[1], ("tls-client-ca", "ca.pem")]));
    assert!(taken(&[("insecure", "true")]));
    assert!(Config::resolve(&flags(&[("listen", "[::1]:0")]), Vec::new()).is_ok());
}

#[test]
fn half_of_tls_is_refused() {
    assert!(problem(&flags(&[("tls-cert", "c.pem")])).contains("tls-key is missing"));
    assert!(problem(&flags(&[("tls-key", "k.pem")])).contains("tls-cert is missing"));
    assert!(problem(&flags(&[("tls-client-ca", "ca.pem")])).contains("tls-cert is missing"));
}

#[test]
fn every_setting_has_words_and_a_variable() {
    for setting in SETTINGS {
        assert!(!setting.about.is_empty());
        assert!(setting.variable().starts_with("EVERSTATE_"));
        if let Some(default) = setting.default {
            let given = flags(&[(setting.name, default)]);
            assert!(Config::resolve(&given, Vec::new()).is_ok(), "the default of {}", setting.name);
        }
    }
}

#[test]
fn the_second_port_is_as_guarded_as_the_first() {
    assert_eq!(Config::resolve(&Given::default(), Vec::new()).expect("good").statemachine_listen, None);
    let near = flags(&[("statemachine-listen", "localhost:7398")]);
    let config = Config::resolve(&near, Vec::new()).expect("good");
    assert_eq!(
        config.statemachine_listen.map(|address| address.to_string()).as_deref(),
        Some("127.0.0.1:7398")
    );
    let problem = problem(&flags(&[("statemachine-listen", "0.0.0.0:7398")]));
    assert!(problem.contains("0.0.0.0:7398") && problem.contains("--insecure"), "{problem}");
}

#[test]
fn what_is_merged_is_shown_with_where_it_comes_from_and_without_secrets() {
    let given = flags(&[("listen", "127.0.0.1:1")])
        .or(environment(&[("EVERSTATE_QUEUE_MAX", "22")]))
        .or(file("listen = \"127.0.0.1:3\"\nhttp-worker-allow = \"https://me:pass@a.example/x,https://b.example\"\n"));
    let shown = given.shown();
    assert_eq!(shown.len(), SETTINGS.len());
    let of = |name: &str| {
        let (_, value, origin) =
            shown.iter().find(|(setting, ..)| setting.name == name).expect("it is shown");
        format!("{} ({origin})", value.as_deref().unwrap_or("not set"))
    };
    assert_eq!(of("listen"), "127.0.0.1:1 (flag)");
    assert_eq!(of("queue-max"), "22 (environment)");
    assert_eq!(
        of("http-worker-allow"),
        "https://(secret)@a.example/x,https://b.example (in everstate.toml:2:1)"
    );
    assert_eq!(of("engine"), "embedded (default)");
    assert_eq!(of("tokens"), "not set (default)");
    assert_eq!(without_secret("nats-password", "hunter2"), "(secret)");
}
