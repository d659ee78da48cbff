//! Checks of kind `http`: a server must answer as it should.

use voxsync_crds::code_sync::HttpCheck;

use crate::{
    Answer, Line,
    answer::line,
    exchange::{Question, Received, address},
};

/// How much of a body is searched.
const BODY_LIMIT_BYTES: usize = 256 << 10;
/// The status code that is right where none is named.
const USUAL_STATUS: u16 = 200;
/// How much of what is searched for a message shows.
const SHOWN_TEXT_CHARACTERS: usize = 60;

pub(crate) async fn ask(check: &HttpCheck, way: &Line<'_>) -> Answer {
    let question = address(&check.url, &[]).map(|address| Question {
        address,
        content: None,
        body_limit_bytes: check.contains.as_ref().map_or(0, |_| BODY_LIMIT_BYTES),
    });
    match question {
        Ok(question) => match way.exchange(question).await {
            Ok(received) => judge(check, &received),
            Err(answer) => answer,
        },
        Err(answer) => answer,
    }
}

/// What an answer means. Whatever is answered is an answer: only silence is not.
pub fn judge(check: &HttpCheck, received: &Received) -> Answer {
    let (status, wanted) = (received.status, check.status.unwrap_or(USUAL_STATUS));
    if status != wanted {
        let to = received.redirected_to.as_ref().map_or_else(String::new, |to| {
            format!("; it redirects to {to}, and a check follows no redirects")
        });
        return Answer::failed(format!("it answers {status}, not {wanted}{to}"));
    }
    let Some(text) = &check.contains else { return Answer::passed(format!("it answers {status}")) };
    let shown = line(text, SHOWN_TEXT_CHARACTERS);
    let is_there = received.body.windows(text.len()).any(|part| part == text.as_bytes());
    match (is_there, received.is_cut) {
        (true, _) => Answer::passed(format!("it answers {status} with {shown:?}")),
        (false, false) => Answer::failed(format!("it answers {status}, but without {shown:?}")),
        (false, true) => Answer::failed(format!(
            "it answers {status}, but without {shown:?} in the first {} KiB",
            BODY_LIMIT_BYTES >> 10
        )),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::Standing;

    fn check(status: Option<u16>, contains: Option<&str>) -> HttpCheck {
        HttpCheck {
            url: "https://host/status".to_owned(),
            status,
            contains: contains.map(str::to_owned),
            ..HttpCheck::default()
        }
    }

    #[rstest]
    #[case::as_usual(None, None, 200, "", true, "it answers 200")]
    #[case::another_one(Some(204), None, 204, "", true, "it answers 204")]
    #[case::wrong(None, None, 503, "", false, "it answers 503, not 200")]
    #[case::too_good(Some(401), None, 200, "", false, "it answers 200, not 401")]
    #[case::with_its_text(None, Some("running"), 200, "running", true, "it answers 200 with \"running\"")]
    #[case::without(None, Some("running"), 200, "starting", false, "it answers 200, but without \"running\"")]
    #[case::with_its_text_and_wrong(None, Some("running"), 500, "running", false, "it answers 500, not 200")]
    #[case::empty(None, Some("running"), 200, "", false, "it answers 200, but without \"running\"")]
    fn answers(
        #[case] status: Option<u16>,
        #[case] contains: Option<&str>,
        #[case] answered: u16,
        #[case] body: &str,
        #[case] passes: bool,
        #[case] message: &str,
    ) {
        let received = Received { status: answered, body: body.into(), ..Received::default() };
        let answer = judge(&check(status, contains), &received);
        assert_eq!((answer.standing == Standing::Passed, answer.message.as_str()), (passes, message));
        assert!(passes || answer.standing == Standing::Failed);
    }

    #[test]
    fn says_where_a_redirect_leads() {
        let received = Received {
            status: 302,
            redirected_to: Some("https://other.example".to_owned()),
            ..Received::default()
        };
        let answer = judge(&check(None, None), &received);
        assert_eq!(answer.standing, Standing::Failed);
        assert!(answer.message.contains("it redirects to https://other.example"), "{}", answer.message);
        assert_eq!(judge(&check(Some(302), None), &received).standing, Standing::Passed);
    }
}
