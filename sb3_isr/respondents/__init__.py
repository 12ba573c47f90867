"""Respondents: those who answer questions about what the learner did, at once or later."""

from sb3_isr.respondents.answer_book import AnswerBook
from sb3_isr.respondents.immediate import Immediate
from sb3_isr.respondents.mailbox import Mailbox
from sb3_isr.respondents.question import Answer, Question
from sb3_isr.respondents.respondent import Respondent

__all__ = ["Answer", "AnswerBook", "Immediate", "Mailbox", "Question", "Respondent"]
