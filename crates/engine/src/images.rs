//! The images of a conversation: which of them a model is shown, and in what form.

use okra_ai::chat::{ChatMessage, Image, sees_images};
use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::session::Attachment;
use okra_store::blobs;

use crate::Engine;
use crate::prompt::Line;

/// Images of one message that a model is shown at most, in the order in which they were attached.
const MOST: usize = 4;

impl Engine {
    /// Whether this chatbot's answers come from a model that is known to see images.
    pub fn sees_images(&self, chatbot: &Chatbot) -> bool {
        let chosen = self.chosen(chatbot, &chatbot.settings.model);
        chosen.is_ok_and(|chosen| chosen.is_some_and(|it| sees_images(&it.model)))
    }

    /// The prompt with its images. One that is not there any more is left out.
    pub(crate) async fn shown(
        &self,
        chatbot: &Chatbot,
        lines: Vec<Line>,
    ) -> Result<Vec<ChatMessage>> {
        let mut messages = Vec::with_capacity(lines.len());
        for line in lines {
            let mut images = Vec::new();
            for attachment in line.images {
                images.extend(self.image(chatbot, attachment).await?);
            }
            let mut message = ChatMessage::new(line.role, line.content);
            message.images = images;
            messages.push(message);
        }
        Ok(messages)
    }

    /// Ours are sent along, since a provider may not reach this server. Addresses elsewhere are
    /// passed on as they stand and never fetched here.
    async fn image(&self, chatbot: &Chatbot, attachment: Attachment) -> Result<Option<Image>> {
        let Some(file) = attachment.file else {
            return Ok(Some(Image::Address(attachment.url)));
        };
        let path = blobs::attachment_path(chatbot.id, &file);
        let bytes = self.parts.store.blobs().read(&path).await?;
        Ok(bytes.map(Image::Jpeg))
    }
}

/// The images among a message's attachments.
pub(crate) fn images_of(attachments: Option<&[Attachment]>) -> Vec<Attachment> {
    let attachments = attachments.unwrap_or_default().iter();
    let images = attachments.filter(|attachment| is_image(attachment));
    images.take(MOST).cloned().collect()
}

/// Whether it is an image: ours all are, others tell by the ending of their name or address.
fn is_image(attachment: &Attachment) -> bool {
    let ends_like_one = |name: &str| {
        let ending = name.rsplit_once('.').map(|(_, ending)| ending);
        let known = ["png", "jpg", "jpeg", "webp", "gif"];
        ending.is_some_and(|ending| known.iter().any(|it| ending.eq_ignore_ascii_case(it)))
    };
    let path = attachment.url.split(['?', '#']).next().unwrap_or_default();
    attachment.file.is_some() || ends_like_one(&attachment.name) || ends_like_one(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_told_from_other_files() {
        let check = |name: &str, url: &str, file: Option<&str>, expected: bool| {
            let attachment = Attachment {
                name: name.to_owned(),
                url: url.to_owned(),
                file: file.map(str::to_owned),
            };
            assert_eq!(is_image(&attachment), expected, "{name} {url}");
        };
        check("photo.JPG", "https://a.example/1", None, true);
        check("photo", "https://a.example/1.webp?size=2#x", None, true);
        check("photo", "https://a.example/x", Some("1.jpg"), true);
        check(
            "bill.pdf",
            "https://a.example/bill.pdf?as=a.png",
            None,
            false,
        );
        check("png", "https://a.example/", None, false);
    }

    #[test]
    fn a_message_shows_four_at_most() {
        let image = Attachment {
            name: "a.png".to_owned(),
            url: "https://a.example/a.png".to_owned(),
            file: None,
        };
        assert_eq!(images_of(Some(&vec![image; 9])).len(), 4);
        assert_eq!(images_of(None).len(), 0);
    }
}
