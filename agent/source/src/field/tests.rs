use proptest::prelude::*;
use rstest::rstest;
use voxsync_hostile::{fuzz, heavy, is_frugal, near};

use super::*;

const CONFIG: &str = "\
apiVersion: openvox.voxpupuli.org/v1alpha1
kind: Config
metadata: {name: production}
spec:
  code: {image: 'reg.example/code:v1'}
";
const SERVER: &str = "\
apiVersion: openvox.voxpupuli.org/v1alpha1
kind: Server
metadata: {name: canary}
spec:
  code:
    - {environment: production, image: reg.example/code:v2}
";
const OTHER: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\ndata: {image: reg.example/other:v9}\n";

fn joined(documents: &[&str]) -> String {
    documents.join("---\n")
}

fn select<'a>(field: &'a str, kind: &'a str, name: &'a str) -> Selection<'a> {
    let given = |text: &'a str| (!text.is_empty()).then_some(text);
    Selection { field: given(field), kind: given(kind), name: given(name) }
}

#[rstest]
#[case::plain("reg.example/code:v1\n", "", "reg.example/code:v1")]
#[case::plain_without_newline("reg.example/code:v1", "", "reg.example/code:v1")]
#[case::plain_with_comments("# who\n\n  reg.example/code:v1  # why\n", "", "reg.example/code:v1")]
#[case::plain_with_digest("reg.example/code:v1@sha256:00", "", "reg.example/code:v1@sha256:00")]
#[case::plain_windows("\u{feff}reg.example/code:v1\r\n", "", "reg.example/code:v1")]
#[case::plain_quoted("\"reg.example/code:v1\"\n", "", "reg.example/code:v1")]
#[case::plain_number("1.10\n", "", "1.10")]
#[case::config(CONFIG, "", "reg.example/code:v1")]
#[case::list_shape(SERVER, "", "reg.example/code:v2")]
#[case::yaml("a: {b: [x, {c: reg/y:1}]}", "a.b[1].c", "reg/y:1")]
#[case::json(r#"{"image": " reg/y:1 "}"#, "image", "reg/y:1")]
#[case::by_entry(SERVER, "spec.code[environment=production].image", "reg.example/code:v2")]
#[case::anchor("base: &b {image: reg/y:1}\nprod: *b\n", "prod.image", "reg/y:1")]
#[case::empty_documents("---\n---\nimage: reg/y:1\n---\n", "image", "reg/y:1")]
fn is_found(#[case] text: &str, #[case] field: &str, #[case] expected: &str) {
    assert_eq!(reference_in(text.as_bytes(), select(field, "", "")).unwrap(), expected);
}

#[rstest]
#[case("", "", "", Err(FieldProblem::ManyDocuments(2)))]
#[case("", "Server", "", Ok("reg.example/code:v2"))]
#[case("", "", "production", Ok("reg.example/code:v1"))]
#[case("", "Config", "production", Ok("reg.example/code:v1"))]
#[case("", "Config", "canary", Err(FieldProblem::NoObject("Config `canary`".to_owned())))]
#[case("", "ConfigMap", "", Err(FieldProblem::NoField))]
#[case("data.image", "", "", Ok("reg.example/other:v9"))]
#[case("data.image", "ConfigMap", "other", Ok("reg.example/other:v9"))]
#[case("metadata.name", "", "", Err(FieldProblem::ManyDocuments(3)))]
fn is_chosen_among_documents(
    #[case] field: &str,
    #[case] kind: &str,
    #[case] name: &str,
    #[case] expected: Result<&str, FieldProblem>,
) {
    let text = joined(&[CONFIG, OTHER, SERVER]);
    let found = reference_in(text.as_bytes(), select(field, kind, name));
    assert_eq!(found.as_deref().map_err(|error| &error.problem), expected.as_ref().copied());
}

#[rstest]
#[case::empty("", "", "the file is empty", "")]
#[case::comments_only("# nothing\n", "", "the file is empty", "")]
#[case::two_lines("reg/a:1\nreg/b:2\n", "", "plain text of 2 lines", "")]
#[case::no_field("image: reg/y:1\n", "", "say in `field`", "image")]
#[case::plain_with_field("reg/y:1\n", "spec.image", "leave `field` out", "")]
#[case::bad_path("a: b\n", "a[", "field `a[` is not a path", "")]
#[case::nothing_of_it("b: 1\nc: 2\n", "a", "field `a` is not in the file: nothing of it is", "b, c")]
#[case::half_way("a: {b: {x: 1}}\n", "a.b.c.d", "`a.b` is the last part that is", "x")]
#[case::list_end("a: [1, 2]\n", "a[2]", "`a` is the last part that is", "a list of 2")]
#[case::furthest("a: {b: 1}\n---\na: {c: {d: 1}}\n", "a.c.e", "`a.c` is the last part that is", "d")]
#[case::number("a: 1\n", "a", "field `a` is a number", "")]
#[case::boolean("a: true\n", "a", "field `a` is true or false", "")]
#[case::map("a: {b: c}\n", "a", "field `a` is a map", "b")]
#[case::null("a:\n", "a", "field `a` is empty", "")]
#[case::blank("a: ' '\n", "a", "field `a` is empty", "")]
#[case::inner_space("a: reg/y:1 reg/z:2\n", "a", "has a space in it", "")]
#[case::not_yaml("a: [1\n", "a", "not sound YAML or JSON (line", "")]
#[case::template("image: {{ .Values.image }}\n", "image", "not sound YAML", "")]
#[case::twice("a: x\na: y\n", "a", "not sound YAML or JSON (line 2", "")]
fn is_refused(#[case] text: &str, #[case] field: &str, #[case] message: &str, #[case] names: &str) {
    let error = reference_in(text.as_bytes(), select(field, "", "")).unwrap_err();
    assert!(error.to_string().contains(message), "{error}");
    assert_eq!(error.names.join(", "), names);
    assert!(error.with_names().starts_with(&error.to_string()));
}

#[test]
fn a_list_of_several_images_needs_a_choice() {
    let two = SERVER.replace("code:\n", "code:\n    - {environment: staging, image: reg.example/code:v3}\n");
    let error = reference_in(two.as_bytes(), Selection::default()).unwrap_err();
    assert_eq!(error.problem, FieldProblem::ManyEntries(2));
    let field = Some("spec.code[environment=staging].image");
    let chosen = reference_in(two.as_bytes(), Selection { field, ..Selection::default() });
    assert_eq!(chosen.unwrap(), "reg.example/code:v3");
}

#[test]
fn a_long_text_is_no_reference() {
    let text = "a".repeat(MAX_REFERENCE_CHARACTERS);
    assert_eq!(reference_in(text.as_bytes(), Selection::default()).unwrap(), text);
    let error = reference_in(format!("{text}a").as_bytes(), Selection::default()).unwrap_err();
    assert_eq!(error.problem, FieldProblem::NoReference("the line".to_owned()));
}

#[test]
fn an_alias_bomb_is_refused() {
    let level = |level: usize| match level {
        0 => "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned(),
        _ => format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 9].join(",")),
    };
    let bomb: String = (0..9).map(level).collect();
    let error = reference_in(bomb.as_bytes(), select("a0[0]", "", "")).unwrap_err();
    assert!(matches!(error.problem, FieldProblem::NotYaml(_)), "{error}");
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    assert_eq!(reference_in(b"\xff\xfe", Selection::default()).unwrap_err().problem, FieldProblem::NotText);
}

proptest! {
    #[test]
    fn no_message_shows_a_value(field in "[a-c.]{1,5}", text in "([a-c]: )?(TOPSECRET|\\[TOPSECRET|\\{x: TOPSECRET \\})( TOPSECRET)?\n?") {
        for field in [None, Some(field.as_str())] {
            if let Err(error) = reference_in(text.as_bytes(), Selection { field, ..Selection::default() }) {
                prop_assert!(!error.with_names().contains("TOPSECRET"), "{}", error.with_names());
            }
        }
    }
}

/// Files in all their forms: the field is looked for in all ways.
#[test]
fn fuzz_reference_file() {
    let kustomization =
        "images:\n- name: code\n  newName: reg.example/code\n  newTag: v1\n  digest: sha256:00\n";
    let helm = "image: &a\n  repository: reg.example/code\n  tag: \"v1\"\nother: *a\nlong: >-\n  reg.example/code:v1\n";
    let json = r#"{"spec": {"code": [{"environment": "production", "image": "reg.example/code:v2\\u0020"}], "n": 1.5e3}}"#;
    let plain = "# who\n\n  reg.example/code:v1@sha256:00  # why\n";
    let three = joined(&[CONFIG, OTHER, SERVER]);
    let samples = [
        CONFIG,
        SERVER,
        &three,
        kustomization,
        helm,
        json,
        plain,
        "!!binary aGk=\n---\n? {a: b}\n: |2-\n   c\n",
    ];
    let selections = [
        Selection::default(),
        select("", "Server", "canary"),
        select("spec.code[environment=production].image", "", ""),
        select("images[name=code]", "", ""),
        select("other", "", ""),
        select("long", "", ""),
    ];
    fuzz(near(samples), |file| {
        let mut is_found = false;
        for selection in selections {
            match reference_in(&file, selection) {
                Ok(reference) => {
                    assert!(!reference.is_empty() && reference.chars().count() <= MAX_REFERENCE_CHARACTERS);
                    assert!(!reference.contains(char::is_whitespace));
                    is_found = true;
                }
                Err(error) => {
                    let message = error.with_names();
                    assert!(message.len() < 4000, "{message}");
                }
            }
        }
        is_found
    });
}

#[test]
fn fuzz_largest_reference_file() {
    for file in heavy(1 << 20) {
        if let Err(error) = reference_in(file.as_bytes(), select("a[0]", "", "")) {
            assert!(error.with_names().len() < 4000);
        }
    }
    is_frugal();
}
