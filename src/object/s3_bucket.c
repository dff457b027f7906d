/* The few operations on buckets: there is one, and it is always there. See s3_int.h. */
#include "object/s3_int.h"

#include "object/s3_xml_int.h"

enum s3_error object_s3_bucket_list(struct s3_request *r)
{
    buf b;
    buf_init_arena(&b, &r->mem, 4096);
    object_s3_xml_begin(&b, S3_XML_NS, "ListAllMyBucketsResult");
    buf_str(&b, STR("<Owner><ID>tern</ID><DisplayName>tern</DisplayName></Owner><Buckets><Bucket>"));
    object_s3_xml_text(&b, "Name", STR(OBJECT_BUCKET));
    object_s3_xml_time(&b, "CreationDate", 0);
    buf_str(&b, STR("</Bucket></Buckets>"));
    object_s3_xml_end(&b, "ListAllMyBucketsResult");
    r->reply.body = buf_view(&b);
    return S3_OK;
}

enum s3_error object_s3_bucket_head(struct s3_request *r)
{
    object_s3_reply_header(r, "x-amz-bucket-region", STR("us-east-1"));
    return S3_OK;
}

enum s3_error object_s3_bucket_location(struct s3_request *r)
{
    /* An empty constraint is us-east-1. */
    r->reply.body = STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<LocationConstraint xmlns=\"" S3_XML_NS "\"/>");
    return S3_OK;
}

enum s3_error object_s3_bucket_versioning(struct s3_request *r)
{
    r->reply.body =
        STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<VersioningConfiguration xmlns=\"" S3_XML_NS "\"/>");
    return S3_OK;
}

enum s3_error object_s3_bucket_create(struct s3_request *r)
{
    (void)r;
    return S3_BucketAlreadyOwnedByYou;
}
