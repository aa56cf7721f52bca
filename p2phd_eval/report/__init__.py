"""Results for people and programs: tables, sentences, documents, the page of a study."""
