/* What of the report page is the same for every report: its style and its script. */
#ifndef PLOT_REPORT_PAGE_H
#define PLOT_REPORT_PAGE_H

/* Everything before the page's first words. */
extern const char report_page_head[];

/* The <script> that shows values under the pointer; the page is read without it as well. */
extern const char report_page_script[];

#endif
