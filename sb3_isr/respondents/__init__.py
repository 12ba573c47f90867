"""Respondents: those who answer questions about what the learner did, at once or later."""

from sb3_isr.respondents.answer_book import AnswerBook
from sb3_isr.respondents.batch import BatchRespondent
from sb3_isr.respondents.function import FunctionRespondent
from sb3_isr.respondents.mailbox import Mailbox
from sb3_isr.respondents.question import Answer, Question
from sb3_isr.respondents.recorded import RecordedAnswers, read_answers, write_answers
from sb3_isr.respondents.respondent import Respondent
from sb3_isr.respondents.terminal import TerminalRespondent

__all__ = [
    "Answer",
    "AnswerBook",
    "BatchRespondent",
    "FunctionRespondent",
    "Mailbox",
    "Question",
    "RecordedAnswers",
    "Respondent",
    "TerminalRespondent",
    "read_answers",
    "write_answers",
]
