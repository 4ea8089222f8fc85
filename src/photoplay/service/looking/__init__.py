"""Photos and people before a film: uploads, what is seen in them, previews, enrolment."""
